"""The re-stated authors' step trains as the engine does: only then is it right to compare their speed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from benchmarks import engine_step
from benchmarks.authors_step import AuthorsStep, Settings
from benchmarks.cases import CASES, Case, shrunk

CASE = shrunk(CASES["resnet18"])
STEPS = 2


class Engine:
    """What the engine computed: its initial network, the batches it saw and all its weights after two steps."""

    def __init__(self, compute: dict[str, Any]) -> None:
        self.batches: list[Any] = []
        recipe = engine_step.generalist(CASE, compute, batches=STEPS, random_start=False)
        engine_step.train({**recipe, "threads": 1, "device": "cpu"}, _Recorder(self))


class _Recorder(engine_step.Metronome):
    def __init__(self, engine: Engine) -> None:
        super().__init__(self.keep)
        self.engine = engine

    def started(self, run: Any) -> None:
        super().started(run)
        self.engine.network = copy.deepcopy(run.model.network)
        self.engine.batches = list(run.data.batches(1))

    def keep(self, run: Any, seconds: float) -> None:
        assert seconds > 0
        if run.clock.batch == STEPS:
            self.engine.weights = {
                "merged": copied(run.merged),
                **{f"{name} raw": copied(learner.weights.raw) for name, learner in run.learners.items()},
                **{f"{name} average": copied(learner.weights.average) for name, learner in run.learners.items()},
            }
            raise engine_step.Enough


def copied(weights: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in weights.items() if tensor.is_floating_point()}


def authors_weights(network: torch.nn.Module, batches: list[Any], **changed: Any) -> dict[str, dict[str, torch.Tensor]]:
    settings = Settings(CASE.eps, CASE.step_size, CASE.steps, random_start=False, **changed)
    step = AuthorsStep(copy.deepcopy(network), settings)
    for images, labels in batches:
        step(images, labels)
    return {
        "merged": copied(step.merged.model.state_dict()),
        "robust raw": copied(step.robust.state_dict()),
        "natural raw": copied(step.natural.state_dict()),
        "robust average": copied(step.robust_average.shadow),
        "natural average": copied(step.natural_average.shadow),
    }


def farthest(first: dict[str, dict[str, torch.Tensor]], second: dict[str, dict[str, torch.Tensor]]) -> float:
    assert first.keys() == second.keys()
    distances = []
    for part, weights in first.items():
        assert weights.keys() == second[part].keys(), part
        distances += [float((tensor - second[part][name]).abs().max()) for name, tensor in weights.items()]
    return max(distances)


@pytest.fixture(scope="module")
def plain() -> Engine:
    return Engine(engine_step.PLAIN)


def test_the_re_stated_step_gives_the_engines_weights(plain: Engine) -> None:
    assert farthest(plain.weights, authors_weights(plain.network, plain.batches)) < 1e-5


def test_so_it_does_with_the_levers_that_keep_full_precision() -> None:
    engine = Engine({"training": "full", "attack": "full"})
    assert farthest(engine.weights, authors_weights(engine.network, engine.batches)) < 1e-4


@pytest.mark.parametrize(
    "changed", [{"lr": 0.011}, {"robust_share": 0.6}, {"natural_decay": 0.01}, {"average_decay": 0.05}]
)
def test_another_setting_gives_other_weights(plain: Engine, changed: dict[str, float]) -> None:
    assert farthest(plain.weights, authors_weights(plain.network, plain.batches, **changed)) > 1e-5


def test_its_attack_stays_in_the_ball_and_raises_the_loss(plain: Engine) -> None:
    case = Case("here", "small-cnn", (1, 8, 8), 16, 0.3, 0.1, steps=5, options={"width": 4})
    images, labels = case.examples()
    step = AuthorsStep(case.network(), Settings(case.eps, case.step_size, case.steps))
    attacked = step.attack(images, labels)
    assert float((attacked - images).abs().max()) <= case.eps + 1e-6
    assert float(attacked.min()) >= 0
    assert float(attacked.max()) <= 1
    assert any(parameter.grad is not None for parameter in step.robust.parameters())  # the cost that it is to keep
    step.robust.eval()
    loss = torch.nn.functional.cross_entropy
    assert loss(step.robust(attacked), labels) > loss(step.robust(images), labels)
