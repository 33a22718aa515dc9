"""Strategies in the engine against straight lines: every weight and buffer after every epoch, in float64."""

from __future__ import annotations

import pytest
import robustkit_mixing.mixture as drawing
import straight_line as reference
import straight_strategies as straight
import torch
from test_straight_line import engine, plugins  # noqa: F401 - fixtures

from robustkit.attacking.streams import Streams

TOLERANCE = 1e-9
POINTS = {0: 0.1, 2: 0.1, 4: 0.02, 6: 0.005}
PGD = {"use": "pgd", "eps": 0.1, "step_size": 0.04, "steps": 2, "keep": "last", "random_start": False}
L2 = {**PGD, "norm": "L2", "eps": 0.5, "step_size": 0.2}
LINF_REFERENCE = reference.PGD(0.1, 0.04, 2)
L2_REFERENCE = reference.PGD(0.5, 0.2, 2, "L2")
FRIENDLY = {"use": "fat", "eps": 0.2, "step_size": 0.05, "steps": 4, "random_start": False, "tau": {1: 0, 3: 0, 4: 1}}
MULTI = {"use": "multi-norm", "attacks": [PGD, L2]}


@pytest.fixture
def trajectory(engine):  # noqa: F811
    """Train one learner with a strategy in the engine, and in straight lines on the same batches; both histories."""

    def train(strategy, straight_strategy, frozen=(), **more):
        recipe = {
            "strategy": {"use": "recorded", "learner": "only", "inner": strategy},
            "optimizer": {"use": "sgd", "lr": POINTS, "momentum": 0.9, "weight_decay": 5e-4},
            **more,
        }
        initial, epochs, _, found = engine({"only": recipe}, "single")
        batches = [[(images["only"], labels) for images, labels in epoch] for epoch in epochs]
        wanted = straight.Learner(straight_strategy, POINTS, frozen=frozen).history(initial, batches)
        return [{key[-1]: tensor for key, tensor in epoch.items() if key[0] == "only"} for epoch in found], wanted

    return train


def agree(found, wanted):
    assert len(found) == len(wanted) == 6
    for epoch, (ours, theirs) in enumerate(zip(found, wanted, strict=True), start=1):
        assert ours.keys() == theirs.keys()
        for key, tensor in theirs.items():
            difference = float((ours[key].double() - tensor.double()).abs().max())
            assert difference <= TOLERANCE, f"epoch {epoch}, {key}: differs by {difference}"


CASES = {
    "fat": (FRIENDLY, straight.Friendly(0.2, 0.05, 4, {1: 0, 3: 0, 4: 1})),
    "awp": (
        {"use": "awp", "gamma": 0.05, "strategy": {"use": "adversarial", "attack": PGD}},
        straight.Perturbed(LINF_REFERENCE, 0.05),
    ),
    **{
        f"multi-norm, {combine}": (
            {**MULTI, "combine": combine},
            straight.Several([LINF_REFERENCE, L2_REFERENCE], combine),
        )
        for combine in ("max", "average", "alternating")
    },
}


@pytest.mark.parametrize("case", CASES)
def test_strategy(trajectory, case):
    agree(*trajectory(*CASES[case]))


@pytest.mark.parametrize("updates", [1, 3])
def test_free_over_replays_and_batches(trajectory, updates):
    agree(*trajectory({"use": "free", "eps": 0.05}, straight.Free(0.05), updates_per_batch=updates))


def test_frozen_weights(trajectory):
    frozen = ("conv1.weight", "conv1.bias", "head.bias")
    strategy = {"use": "adversarial", "attack": PGD}
    agree(*trajectory(strategy, straight.Attacked(LINF_REFERENCE), frozen, freeze=["conv1.*", "head.bias"]))


def test_fast(trajectory, monkeypatch):
    starts, uniform_like = [], Streams.uniform_like

    def record(streams, images):
        starts.append(uniform_like(streams, images))
        return starts[-1]

    monkeypatch.setattr(Streams, "uniform_like", record)
    agree(*trajectory({"use": "fgsm-rs", "eps": 0.1}, straight.Fast(0.1, starts)))
    assert not starts


@pytest.mark.parametrize("name", ["mixup", "iat"])
def test_mixtures(trajectory, monkeypatch, name):
    draws = {"share": [], "order": []}
    for part, draw in (("share", drawing.drawn_share), ("order", drawing.drawn_order)):

        def record(argument, part=part, draw=draw):
            draws[part].append(draw(argument))
            return draws[part][-1]

        monkeypatch.setattr(drawing, f"drawn_{part}", record)
    strategy = {"use": name, "alpha": 0.6} | ({"attack": PGD} if name == "iat" else {})
    agree(*trajectory(strategy, straight.Mixed(draws, LINF_REFERENCE if name == "iat" else None)))
    assert not draws["share"]


@pytest.mark.parametrize(("method", "start", "every"), [("wa", 1, 1), ("wa", 3, 1), ("swa", 1, 1), ("swa", 2, 2)])
def test_averages_of_a_learner(engine, method, start, every):  # noqa: F811
    averaging = {"method": method, "start_epoch": start, "every_epochs": every}
    recipe = {
        "strategy": {"use": "recorded", "learner": "only", "inner": "natural"},
        "optimizer": {"use": "sgd", "lr": POINTS, "momentum": 0.0, "weight_decay": 0.0},
        "averaging": averaging,
    }
    initial, epochs, _, found = engine({"only": recipe}, "single")
    learner = reference.Learner(POINTS, 0.0, 0.0)
    learner.start(initial)
    seen, taken = 0, []
    for epoch, batches in enumerate(epochs, start=1):
        for number, (images, labels) in enumerate(batches, start=1):
            learner.step(images["only"], labels, epoch, number - 1, len(batches), seen)
            seen += 1
            end = number == len(batches) and (epoch - start) % every == 0
            if epoch >= start and (method == "wa" or end):
                taken.append(dict(learner.raw))
        wanted = reference.mean(taken, counter_of=-1) if taken else learner.raw
        for key, tensor in wanted.items():
            for part in (("only", "average", key), ("global", key)):
                torch.testing.assert_close(found[epoch - 1][part], tensor.detach(), rtol=0, atol=TOLERANCE, msg=key)
