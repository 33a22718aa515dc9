"""What a Generalist recipe computes in two steps, by the engine and by the loops it is compared with."""

from __future__ import annotations

import copy
from typing import Any

import torch

from benchmarks import engine_step
from benchmarks.authors_step import AuthorsStep, Settings
from benchmarks.bare_step import BareStep, Levers
from benchmarks.cases import CASES, shrunk

CASE = shrunk(CASES["resnet18"])
STEPS = 2
Found = dict[str, dict[str, torch.Tensor]]
"""Floating-point tensors by name, of the merged network and of each learner's raw weights and average."""


class Engine:
    """What the engine computed: its initial network, the batches it saw and all its weights after two steps."""

    network: torch.nn.Module
    weights: Found

    def __init__(self, compute: dict[str, Any]) -> None:
        self.batches: list[Any] = []
        recipe = engine_step.generalist(CASE, compute, batches=STEPS, random_start=False)
        engine_step.train({**recipe, "threads": 1}, _Recorder(self))


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


def by_authors(engine: Engine, **changed: Any) -> Found:
    """The same from the re-stated authors' step."""
    settings = Settings(CASE.eps, CASE.step_size, CASE.steps, random_start=False, **changed)
    step = AuthorsStep(copy.deepcopy(engine.network), settings)
    for images, labels in engine.batches:
        step(images, labels)
    return {
        "merged": copied(step.merged.model.state_dict()),
        "robust raw": copied(step.robust.state_dict()),
        "natural raw": copied(step.natural.state_dict()),
        "robust average": copied(step.robust_average.shadow),
        "natural average": copied(step.natural_average.shadow),
    }


def by_hand(engine: Engine, levers: Levers) -> Found:
    """The same from the bare loop."""
    network = copy.deepcopy(engine.network)
    step = BareStep(CASE, network, levers, *engine.batches[0], random_start=False)
    for images, labels in engine.batches:
        step.train(images, labels)
    names = list(network.state_dict())
    parts = {
        "merged": step.merged,
        "robust raw": step.robust.tensors,
        "natural raw": step.natural.tensors,
        "robust average": step.robust.average,
        "natural average": step.natural.average,
    }
    return {part: copied(dict(zip(names, tensors, strict=True))) for part, tensors in parts.items()}


def copied(weights: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in weights.items() if tensor.is_floating_point()}


def farthest(first: Found, second: Found) -> float:
    """The largest difference of any weight."""
    assert first.keys() == second.keys()
    distances = []
    for part, weights in first.items():
        assert weights.keys() == second[part].keys(), part
        distances += [float((tensor - second[part][name]).abs().max()) for name, tensor in weights.items()]
    return max(distances)
