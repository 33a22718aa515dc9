"""What the engine is compared with trains as the engine does: only then is it right to compare speeds."""

from __future__ import annotations

import pytest
import torch
from trained_twice import Engine, by_authors, by_hand, farthest

from benchmarks import engine_step
from benchmarks.authors_step import AuthorsStep, Settings
from benchmarks.bare_step import Attacked, Levers
from benchmarks.cases import CASES, Case

FULL = {"training": "full", "attack": "full"}
BFLOAT16 = {"training": "bfloat16", "attack": "bfloat16"}


@pytest.fixture(scope="module")
def plain() -> Engine:
    return Engine(engine_step.PLAIN)


def test_the_re_stated_authors_step_gives_the_engines_weights(plain: Engine) -> None:
    assert farthest(plain.weights, by_authors(plain)) < 1e-5


def test_so_it_does_with_the_levers_that_keep_full_precision() -> None:
    engine = Engine(FULL)
    assert farthest(engine.weights, by_authors(engine)) < 1e-5


def test_the_bare_loop_gives_the_engines_weights(plain: Engine) -> None:
    assert farthest(plain.weights, by_hand(plain, Levers())) < 1e-5
    folded = Engine(FULL)
    assert farthest(folded.weights, by_hand(folded, Levers(folded=True, channels_last=True))) < 1e-5


def test_so_it_does_in_bfloat16_as_far_as_bfloat16_goes(plain: Engine) -> None:
    engine = Engine(BFLOAT16)
    same = by_hand(engine, Levers(attack_bfloat16=True, training_bfloat16=True, folded=True, channels_last=True))
    other = by_hand(engine, Levers(folded=True, channels_last=True))
    assert farthest(engine.weights, same) < 0.2 * farthest(engine.weights, other)


@pytest.mark.parametrize(
    "changed", [{"lr": 0.011}, {"robust_share": 0.6}, {"natural_decay": 0.01}, {"average_decay": 0.05}]
)
def test_another_setting_gives_other_weights(plain: Engine, changed: dict[str, float]) -> None:
    assert farthest(plain.weights, by_authors(plain, **changed)) > 1e-4


def test_the_authors_attack_stays_in_the_ball_raises_the_loss_and_leaves_gradients() -> None:
    case = Case("here", "small-cnn", (1, 8, 8), 16, 0.3, 0.1, steps=5, options={"width": 4})
    images, labels = case.examples()
    step = AuthorsStep(case.network(), Settings(case.eps, case.step_size, case.steps))
    attacked = step.attack(images, labels)
    assert float((attacked - images).abs().max()) <= case.eps + 1e-6
    assert float(attacked.min()) >= 0
    assert float(attacked.max()) <= 1
    assert all(parameter.grad is not None for parameter in step.robust.parameters())  # the cost that it is to keep
    step.robust.eval()
    loss = torch.nn.functional.cross_entropy
    assert loss(step.robust(attacked), labels) > loss(step.robust(images), labels)


@pytest.mark.parametrize("name", ["resnet18", "digits"])
def test_a_network_folded_by_hand_is_the_same_function(name: str) -> None:
    case = CASES[name]
    images, labels = case.examples(4)
    network = case.network().train()
    network(images)  # so that running statistics are not those of the start
    attacked = Attacked(network, Levers(folded=True))
    attacked.refresh()
    torch.testing.assert_close(attacked(images), network.eval()(images), rtol=1e-4, atol=1e-4)
    assert len(attacked.pairs) == sum(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules())
