"""Estimates: what they are made of, how they grow, and that nothing is written."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from robustkit.engine.cost import bookkeeping, step_cost
from robustkit.engine.cost import estimate as module
from robustkit.engine.cost import trial as trials
from robustkit.engine.cost.bookkeeping import recomputations
from robustkit.engine.cost.estimate import RIGHT, SOON, Cost, estimate
from robustkit.engine.cost.network_cost import NetworkCost, NetworkTrial
from robustkit.engine.cost.queries import Queries
from robustkit.engine.cost.trial import try_steps
from robustkit.engine.folder import RunFolder
from robustkit.engine.launch import surroundings
from robustkit.engine.run import Run
from robustkit.errors import AttackError

BATCH, SIZE, WIDTH, CLASSES = 8, 6, 4, 3
CONVOLUTION, LINEAR = 2 * WIDTH * 9 * SIZE * SIZE, 2 * WIDTH * SIZE * SIZE * CLASSES
FORWARD = CONVOLUTION + LINEAR
PGD = {"use": "pgd", "eps": 0.1, "steps": 2}


@pytest.fixture(autouse=True)
def _known_peak(monkeypatch):
    monkeypatch.setattr(step_cost, "convolution_peak", lambda device, dtype: 1e12)


@pytest.fixture
def built(plugins, recipe, tmp_path):
    """`built(**changes)`: the tiny run."""
    return lambda **changes: Run(recipe(**changes), RunFolder(tmp_path / "nowhere"), plugins)


@pytest.fixture
def estimated(built):
    """`estimated(**changes)`: the estimate of the tiny run."""

    def estimated(**changes):
        run = built(**changes)
        with surroundings(run.recipe):
            return estimate(run, 0.2)

    return estimated


EVALUATION = {"attacks": {"pgd": PGD}, "final_attacks": {"pgd": PGD, "longer": {**PGD, "steps": 4}}}


def test_an_estimate_hangs_together_and_is_json(estimated, tmp_path):
    found = estimated(evaluation=EVALUATION)
    plain = json.loads(json.dumps(found.plain()))
    parts = [plain[name] for name in ("training", "validation", "final_evaluation")]
    for figure in ("seconds", "seconds_at_most", "flops_at_most"):
        assert plain["total"][figure] == pytest.approx(sum(part[figure] for part in parts))
        assert all(part[figure] > 0 for part in parts)
    assert list(plain["final_evaluation"]["parts"]) == ["natural", "pgd", "longer"]
    assert plain["total"]["seconds"] <= plain["total"]["seconds_at_most"]
    assert plain["memory"]["peak"] > plain["memory"]["weights"] > 0
    assert plain["calibration"]["assumed"] == {"right": RIGHT, "broken_soon": SOON}
    assert not list(tmp_path.iterdir())


def test_operations_are_those_counted_by_hand(estimated, data):
    learners = data()["learners"]
    learners["robust"]["strategy"]["attack"] = {**PGD, "keep": "last"}
    found = estimated(learners=learners, evaluation=EVALUATION, epochs=5)
    step = BATCH * (2 * (FORWARD + CONVOLUTION + 2 * LINEAR) + 2 * 2 * FORWARD)
    assert found.step.total_flops == step
    assert found.training.flops == 5 * 3 * step
    networks, looks, test = 3, 1, 20
    per_attack = {"natural": 1, "pgd": 1 + looks + 2 * 2, "longer": 1 + looks + 2 * 4}
    assert {name: cost.flops for name, cost in found.final.items()} == {
        name: networks * test * passes * FORWARD for name, passes in per_attack.items()
    }
    assert found.validation.flops == 5 * networks * 12 * (1 + per_attack["pgd"]) * FORWARD


def test_training_grows_with_epochs_and_measuring_with_its_times(estimated):
    short, long = estimated(evaluation=EVALUATION), estimated(evaluation=EVALUATION, epochs=40)
    assert long.training.flops == 20 * short.training.flops
    assert long.validation.flops == 20 * short.validation.flops
    assert long.evaluation.flops == short.evaluation.flops
    assert long.training.seconds > 4 * short.training.seconds
    rarely = estimated(evaluation={**EVALUATION, "every_epochs": 15}, epochs=40)
    assert rarely.validation.flops == pytest.approx(3 / 40 * long.validation.flops)  # after 15, 30 and 40


def test_what_is_never_measured_costs_nothing(estimated):
    found = estimated(validation_examples=0)
    assert found.validation == Cost(0, 0, 0)
    assert list(found.final) == ["natural"]
    assert found.memory.evaluation_activations == 0


def test_memory_by_hand(estimated):
    found = estimated(evaluation={**EVALUATION, "batch_size": 10}).memory
    parameters = WIDTH * 9 + WIDTH + 2 * WIDTH + WIDTH * SIZE * SIZE * CLASSES + CLASSES
    buffers = 4 * 2 * WIDTH + 8  # BatchNorm's statistics and its counter
    assert found.gradients == found.optimizers == 2 * 4 * parameters  # momentum, of two learners
    assert found.weights == 4 * (4 * parameters + buffers)  # merged, two learners, one average
    pixels, features = SIZE * SIZE, WIDTH * SIZE * SIZE
    assert 4 * BATCH * (pixels + 2 * features) <= found.training_activations <= 4 * BATCH * (pixels + 6 * features)
    assert 0 < found.evaluation_activations <= 10 / BATCH * found.training_activations


def test_measuring_is_put_together_from_questions(built, monkeypatch):
    run = built(evaluation={**EVALUATION, "batch_size": 7})
    stands, falls = Queries(10, 8, 0.5, 0.25), Queries(2, 1, 100.0, 0.125)
    monkeypatch.setattr(module, "queries", lambda *args, stands, **kw: pair[stands])
    pair = {True: stands, False: falls}
    seconds, flops = NetworkCost(1.0, 2.0, 3.0, 5.0), NetworkCost(10.0, 20.0, 30.0, 50.0)
    parts = module._Asking(run, seconds, flops).parts(20, run.recipe.evaluation.attacks)
    long, short = 2 + 10 * 3 + 8 * 5 + 0.25, 2 + 2 * 3 + 1 * 5 + 0.125
    attacked, networks = RIGHT * 20, 3
    assert parts["natural"] == Cost(networks * 20, networks * 20, networks * 200)
    assert parts["pgd"].seconds == pytest.approx(
        networks * (attacked * (SOON * short + (1 - SOON) * long) + math.ceil(attacked / 7) * 0.5)
    )
    assert parts["pgd"].at_most == pytest.approx(networks * (20 * long + 3 * 0.5))
    assert parts["pgd"].flops == pytest.approx(networks * 20 * (20 + 10 * 30 + 8 * 50))


def test_an_attack_is_asked_about_once(built, monkeypatch):
    run, asked = built(evaluation=EVALUATION), []

    def queries(attack, *args, **kw):
        asked.append((attack, kw["stands"]))
        return Queries(1, 1, 0, 0)

    monkeypatch.setattr(module, "queries", queries)
    asking = module._Asking(run, NetworkCost(1, 1, 1, 1), NetworkCost(1, 1, 1, 1))
    asking.parts(20, run.recipe.evaluation.attacks)
    asking.parts(20, run.recipe.evaluation.final_attacks)
    assert len(asked) == 4  # two different attacks, each on a network that stands and on one that falls


def test_what_a_network_costs_an_example_in_operations(built):
    run = built()
    found = NetworkTrial(run).operations()
    assert found == NetworkCost(natural=FORWARD, attacked=FORWARD, forward=FORWARD, backward=FORWARD)
    twice = NetworkTrial(built(compute={"evaluation": "bfloat16-first"})).operations()
    assert (twice.natural, twice.forward, twice.backward) == (FORWARD, 2 * FORWARD, 2 * FORWARD)
    assert (
        2 * FORWARD <= twice.attacked < 3 * FORWARD
    )  # with a look at what can be folded, each time the precision changes


def test_costs_are_solved_from_what_was_measured():
    cost = NetworkCost.solved(clean=1.0, nothing=2.0, forwards=2.0 + 2 * 3.0, gradients=2.0 + 2 * (3.0 + 5.0))
    assert cost == NetworkCost(1.0, 2.0, 3.0, 5.0)
    assert NetworkCost.solved(1.0, 2.0, 1.9, 1.8) == NetworkCost(1.0, 2.0, 0.0, 0.0)


def test_a_part_of_a_batch_is_scaled_to_the_whole(built, monkeypatch):
    whole, part = 24, 6
    run = built(batch_size=whole, validation_examples=12)
    used = []

    def timed(self, images):
        used.append(images)
        return {"attack": images * 1.0, "training passes": images * 0.5, "optimizer": 3.0}

    monkeypatch.setattr(trials, "FEW", part)
    monkeypatch.setattr(trials._Steps, "timed", timed)
    monkeypatch.setattr(trials._Steps, "counted", lambda self, images: ({"attack": 10.0 * images}, 100 * images))
    found = try_steps(run, 0.001)
    assert set(used) == {part}
    assert found.images == part
    assert found.seconds == {"attack": 24.0, "training passes": 12.0, "optimizer": 3.0}
    assert found.flops == {"attack": 240.0}
    assert found.activations == 2400
    assert found.steps >= 2


def test_moments_are_spread_over_the_whole_run_and_not_dear(built):
    run = built(epochs=20, aggregator={"use": "swa", "start_epoch": 5})
    moments = trials._moments(run)
    seen = [next(moments) for _ in range(300)]
    assert {epoch for epoch, _ in seen} == set(range(1, 21))
    assert {batch for _, batch in seen} == {0, 1, 2}


@pytest.mark.parametrize("every", [1, 4])
def test_recomputations_of_batch_norm_are_counted(built, every):
    run = built(epochs=9, aggregator={"use": "swa", "start_epoch": 5}, evaluation={"every_epochs": every})
    calls = []
    counted = recomputations(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("robustkit.engine.run.recompute_batch_norm", lambda *args: calls.append(run.clock.epoch))
        run.folder = RunFolder(run.folder.path)
        run.write_lock()
        run.train()
    assert counted == len(calls) > 0
    assert bookkeeping.keep_books(run).batch_norm > 0


def test_an_attack_that_cannot_be_run_is_an_error(built, monkeypatch):
    def broken(*args, **kw):
        raise AttackError("attack pgd returned images of another shape")

    run = built(evaluation=EVALUATION)
    monkeypatch.setattr(module, "queries", broken)
    with pytest.raises(AttackError, match="another shape"), surroundings(run.recipe):
        estimate(run, 0.1)


def test_costs_add_up():
    one = Cost(1.0, 2.0, 3.0)
    assert one + replace(one, flops=10.0) == Cost(2.0, 4.0, 13.0)
    assert one.times(3) == Cost(3.0, 6.0, 9.0)
    assert one.plain() == {"seconds": 1.0, "seconds_at_most": 2.0, "flops_at_most": 3.0}


def test_random_numbers_are_left_as_they_were(built):
    run = built()
    before = torch.get_rng_state()
    with surroundings(run.recipe):
        estimate(run, 0.1)
    assert torch.equal(torch.get_rng_state(), before)
