"""Aggregators that merge at epochs' ends against the straight-line reference: all weights of all networks, and choices.

Everything is float64; dealt out again at some epochs' ends, so that a wrong merge shows in everything after it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import straight_merging as reference
import torch
from straight_line import PGD
from test_straight_line import (
    ATTACK,
    BATCH,
    EPOCHS,
    Snapshots,
    agree,
    learner,
    pair,
    recipes,
    references,
    together,
    triple,
)

from robustkit import Plugins, load_recipe, run

HELD = 9  # of 44 images: 2 batches an epoch are left
DEAL = {"start_epoch": 2, "every_epochs": 2}


class Heard(Snapshots):
    """Copies the data, too, and what the aggregator found."""

    def started(self, run):
        super().started(run)
        held, self.found = run.data.validation, []
        self.images, self.labels = held.images(torch.arange(len(held))).double(), held.labels
        self.training = [batch.clone() for batch in run.data.plain_batches()]

    def epoch_ended(self, run, metrics):
        super().epoch_ended(run, metrics)
        self.found.append(metrics["global"].get("aggregator"))


@pytest.fixture(scope="module")
def plugins():
    return Plugins(files=[Path(__file__).with_name("exactness_parts.py")])


@pytest.fixture
def trained(plugins, tmp_path):
    """Run a recipe; gives what the listener heard, and the batches that the learners saw, by epochs."""
    parts = sys.modules["robustkit_file_plugin_exactness_parts"]

    def train(learners, aggregator):
        parts.BATCHES.clear()
        data = {
            "name": "exact",
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "validation_examples": HELD,
            "precision": "float64",
            "threads": 1,
            "device": "cpu",
            "dataset": "noise",
            "architecture": "two-blocks",
            "learners": recipes(learners),
            "aggregator": aggregator,
            "evaluation": {"attacks": {}, "final_attacks": {}},
        }
        heard = Heard()
        run(load_recipe(data, registry=plugins.registry), output=tmp_path / "run", plugins=plugins, listener=heard)
        batches = list(together(parts.BATCHES, list(learners)))
        return heard, [batches[start : start + 2] for start in range(0, len(batches), 2)]

    return train


def compared(trained, learners, aggregator, merge, *, recompute, reset=False):
    """Run both, dealing out; `merge` makes the reference's way to merge from what was heard."""
    state = "reset" if reset else "keep"
    dealt = {"use": "redistribute", "merge": aggregator, **DEAL, "optimizer_state": state}
    heard, epochs = trained(learners, dealt)
    straight = merge(heard)
    wanted, choices = reference.train(
        straight,
        references(learners),
        heard.initial,
        epochs,
        heard.training,
        recompute=recompute,
        deal=tuple(DEAL.values()),
        reset=reset,
    )
    agree(heard.history, wanted)
    return heard, choices


def pgd(attack=ATTACK):
    return PGD(attack["eps"], attack["step_size"], attack["steps"])


def held(heard, *, attack, weight, recompute):
    return reference.Held(heard.images, heard.labels, heard.training, attack, weight, recompute)


@pytest.mark.parametrize("settings", [{}, {"decay": 0.7, "warm_up": False, "start_epoch": 3}], ids=repr)
def test_ema(trained, settings):
    given = {"decay": 0.999, "warm_up": True, "start_epoch": 1, **settings}
    compared(
        trained,
        triple(),
        {"use": "ema", **settings},
        lambda heard: reference.MovingAverage(**given, batches=2),
        recompute=False,
    )


@pytest.mark.parametrize("learners", [pair, triple], ids=["two", "three"])
@pytest.mark.parametrize("batch_norm", ["average", "recompute"])
def test_coordinate_median(trained, learners, batch_norm):
    aggregator = {"use": "coordinate-median", "batch_norm": batch_norm}
    recompute = batch_norm == "recompute"
    compared(trained, learners(), aggregator, lambda _: reference.Median(), recompute=recompute, reset=recompute)


@pytest.mark.parametrize(("batch_norm", "scale"), [("average", {"natural": 0.7, "robust": -0.2}), ("recompute", 0.4)])
def test_task_arithmetic(trained, batch_norm, scale):
    scales = scale if isinstance(scale, dict) else {"natural": scale, "robust": scale}
    compared(
        trained,
        pair(),
        {"use": "task-arithmetic", "scale": scale, "batch_norm": batch_norm},
        lambda heard: reference.Tasks(scales, heard.initial),
        recompute=batch_norm == "recompute",
    )


SOUPS = [
    ({"every_epochs": 1, "batch_norm": "average"}, None, 0.5),
    ({"every_epochs": 4, "batch_norm": "recompute", "robust_weight": 0.3}, ATTACK, 0.3),
]


@pytest.mark.parametrize(("settings", "attack", "weight"), SOUPS, ids=["natural", "robust"])
def test_greedy_soup(trained, settings, attack, weight):
    recompute = settings["batch_norm"] == "recompute"
    heard, choices = compared(
        trained,
        triple(),
        {"use": "soup", "attack": attack, **settings},
        lambda heard: reference.Greedy(
            held(heard, attack=attack and pgd(), weight=weight, recompute=recompute), settings["every_epochs"]
        ),
        recompute=recompute,
    )
    assert [found["shares"] for found in heard.found] == [pytest.approx(shares) for shares in choices]


def test_uniform_soup(trained):
    class Uniform:
        every_batch = False

        def __call__(self, epoch, last, merged, offered):
            return reference.mean_of(offered, list(offered)), None

    compared(trained, triple(), {"use": "soup", "choice": "uniform"}, lambda _: Uniform(), recompute=False)


FAST = {0: 0.5, 6: 0.5}  # so that accuracies differ from mix to mix


def fast_pair():
    return pair(points=FAST)


def fast_triple():
    other = {**ATTACK, "norm": "L2", "eps": 0.5, "step_size": 0.2}
    euclidean = learner("euclidean", attack=other, momentum=0.5, points=FAST, decay=None)
    return {**pair(points=FAST, decay=None), "euclidean": euclidean}


RARELY = {"every_epochs": 4, "start_epoch": 2}
SEARCHES = [
    (fast_pair, {"grid": 6, "robust_weight": 0.5, "batch_norm": "recompute"}, 1, 1),
    (fast_triple, {"grid": 4, "robust_weight": 0.2, "batch_norm": "recompute", **RARELY}, 4, 2),
]


@pytest.mark.parametrize(("learners", "settings", "every", "start"), SEARCHES, ids=["two", "three"])
def test_learned_mix(trained, learners, settings, every, start):
    recompute, weight = settings["batch_norm"] == "recompute", settings["robust_weight"]
    heard, choices = compared(
        trained,
        learners(),
        {"use": "learned-mix", "attack": ATTACK, **settings},
        lambda heard: reference.Searched(
            held(heard, attack=pgd(), weight=weight, recompute=recompute), settings["grid"], every, start
        ),
        recompute=recompute,
    )
    assert [found and found["shares"] for found in heard.found] == [
        shares and pytest.approx(shares) for shares in choices
    ]
    assert len({tuple(shares.values()) for shares in choices if shares}) > 1, "one mix all along shows little"


FISHERS = [
    ({"batch_norm": "average"}, {}, {}, range(HELD), 1),
    (
        {"examples": 3, "importance": {"robust": 0.25}, "every_epochs": 2, "attacks": {"robust": ATTACK}},
        {"robust": 0.25},
        {"robust": pgd()},
        [0, 3, 6],
        2,
    ),
]


@pytest.mark.parametrize(("settings", "importance", "attacks", "places", "every"), FISHERS, ids=["plain", "attacked"])
def test_fisher(trained, settings, importance, attacks, places, every):
    heard, choices = compared(
        trained,
        pair(),
        {"use": "fisher", **settings},
        lambda heard: reference.Information(
            heard.images[list(places)], heard.labels[list(places)], attacks, importance, every
        ),
        recompute="batch_norm" not in settings,
    )
    for found, traces in zip(heard.found, choices, strict=True):
        assert traces is None or found["fisher_trace"] == pytest.approx(traces, rel=1e-9)
