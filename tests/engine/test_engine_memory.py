"""What strategies note: kept from batch to batch for each learner, noted once a batch, and found again after a kill."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from robustkit import (
    Classifier,
    Clock,
    LearnerRecipe,
    Listener,
    Strategy,
    make,
    notes_dropped,
    rate_now,
    remembered,
    run,
    training_moment,
)
from robustkit.attacking.lean import PLAIN
from robustkit.components.schedule import Linear
from robustkit.engine.arithmetic import RunArithmetic
from robustkit.engine.learner import Learner
from robustkit.models.files import read_tensors
from robustkit.testing import tiny_batch, tiny_model

PGD = {"use": "pgd", "eps": 0.1, "step_size": 0.05, "steps": 2}
SGD = {"use": "sgd", "lr": 0.05, "momentum": 0.9}
SAM = {"use": "sam", "lr": 0.05}
ALTERNATING = {"use": "multi-norm", "combine": "alternating", "attacks": [PGD, {**PGD, "norm": "L2"}]}
FREE = {"use": "free", "eps": 0.1}
GUARD = {
    "use": "overfitting-guard",
    "strategy": {"use": "fgsm-rs", "eps": 0.1},
    "fallback": {"use": "adversarial", "attack": PGD},
    "check": PGD,
    "every_batches": 2,
    "drop": 0.01,
    "recovery_batches": 2,
}
LEARNERS = {
    "free": {"strategy": FREE, "optimizer": SGD, "updates_per_batch": 2},
    "turns": {"strategy": ALTERNATING, "optimizer": SAM, "averaging": {"method": "wa", "start_epoch": 2}},
    "guard": {"strategy": GUARD, "optimizer": SGD, "averaging": {"method": "swa"}, "freeze": ["0.bias"]},
    "awp": {"strategy": {"use": "awp", "gamma": {1: 0.0, 3: 0.02}, "strategy": FREE}, "optimizer": SGD},
    "iat": {"strategy": {"use": "iat", "attack": PGD}, "optimizer": SGD},
}
CHANGES = {"learners": LEARNERS, "aggregator": {"use": "none", "learner": "free"}, "epochs": 3}


class Killed(BaseException):
    """As a kill."""


class StopAtStep(Listener):
    def __init__(self, step):
        self.step = step

    def batch_ended(self, run):
        if run.clock.step == self.step:
            raise Killed


def test_killed_and_gone_on_from_it_ends_as_if_it_had_never_stopped(train, plugins, tmp_path, compare):
    whole, folder = train(**CHANGES), tmp_path / "stopped"
    with pytest.raises(Killed):
        train(**CHANGES, listener=StopAtStep(5), output=folder)
    notes = {name for name in read_tensors(folder / "checkpoint.safetensors")[0] if "/memory/" in name}
    assert notes == {
        "learners/free/memory/free/perturbation",
        "learners/awp/memory/free/perturbation",
        "learners/turns/memory/multi-norm/turn",
        *(f"learners/guard/memory/overfitting-guard/{name}" for name in ("batch", "left", "usual")),
    }
    assert compare.difference(whole.path, run(folder, resume=True, plugins=plugins).path) == []


@dataclass(frozen=True)
class Counting(Strategy):
    """Natural training that counts its batches and says what it found."""

    name = "counting-strategy"

    def loss(self, model, images, labels):
        count = remembered(self.name).get("count", torch.tensor(0))
        remembered(self.name)["count"] = count + 1
        FOUND.append(int(count))
        return torch.nn.functional.cross_entropy(model(images), labels)


FOUND: list[int] = []


@pytest.mark.parametrize(("optimizer", "asked"), [("sgd", 1), ("sam", 2)])
def test_an_optimizer_that_asks_twice_is_told_the_same_and_noted_once(optimizer, asked):
    FOUND.clear()
    learner = Learner(
        "one",
        LearnerRecipe(strategy=Counting(), optimizer=make("optimizer", optimizer, lr=0.05), updates_per_batch=2),
        Classifier(tiny_model()),
        seed=1,
        clock=Clock(1, 3),
        arithmetic=RunArithmetic(None, PLAIN, compile_training=False),
    )
    for batch in range(3):
        learner.step(*tiny_batch(), Clock(1, 3, 1, batch))
    assert [count for count in range(6) for _ in range(asked)] == FOUND
    assert learner.memory["counting-strategy"]["count"] == 6


def test_learners_do_not_share_notes_and_without_a_run_nothing_is_kept():
    one, other = {}, {}
    for memory, times in ((one, 3), (other, 1)):
        for _ in range(times):
            with training_moment(memory):
                notes = remembered("counter")
                notes["count"] = notes.get("count", torch.tensor(0)) + 1
    assert (int(one["counter"]["count"]), int(other["counter"]["count"])) == (3, 1)
    remembered("counter")["count"] = torch.tensor(7)
    assert remembered("counter") == {}


def test_dropped_notes_begin_with_what_is_known_and_change_nothing():
    memory = {"counter": {"count": torch.tensor(3)}}
    with training_moment(memory, Clock(4, 1, epoch=2)):
        with notes_dropped():
            assert int(remembered("counter")["count"]) == 3
            assert rate_now(Linear({0: 0.0, 4: 1.0})) == 0.5
            remembered("counter")["count"] = torch.tensor(9)
            remembered("another")["count"] = torch.tensor(1)
        assert int(remembered("counter")["count"]) == 3
    assert memory == {"counter": {"count": torch.tensor(3)}}
    with notes_dropped():
        assert remembered("counter") == {}
