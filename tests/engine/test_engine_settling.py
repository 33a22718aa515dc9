"""Aggregators that measure before they merge: on the validation split alone, resumable, leaving no trace elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import torch

from robustkit import Aggregator, LearnerRecipe, Listener, Plugins, Recipe, make, run
from robustkit.components.weights import copy_
from robustkit.errors import DataError, InputError, RecipeError, TrainingError

PGD = {"use": "pgd", "eps": 0.1, "step_size": 0.05, "steps": 2, "random_start": False}
SGD = {"use": "sgd", "lr": 0.05, "momentum": 0.9}
MIX = {"use": "learned-mix", "attack": PGD, "grid": 4, "every_epochs": 3}
DEALT = {"use": "redistribute", "every_epochs": 2}
AGGREGATORS = {
    "learned-mix": {**DEALT, "merge": MIX},
    "soup": {**DEALT, "merge": {"use": "soup", "attack": PGD, "every_epochs": 3}},
    "fisher": {**DEALT, "merge": {"use": "fisher", "examples": 5}},
    "task-arithmetic": {**DEALT, "merge": {"use": "task-arithmetic", "scale": 0.4}},
}


class Killed(BaseException):
    """As a kill: nothing in the engine may catch it."""


class StopAtStep(Listener):
    def __init__(self, step):
        self.step = step

    def batch_ended(self, run):
        if run.clock.step == self.step:
            raise Killed


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_killed_between_two_searches_it_ends_as_if_it_never_stopped(train, plugins, tmp_path, compare, aggregator):
    changes = {"epochs": 6, "aggregator": AGGREGATORS[aggregator]}
    whole = train(**changes)
    folder = tmp_path / "stopped"
    with pytest.raises(Killed):
        train(**changes, listener=StopAtStep(10), output=folder)  # in epoch 4
    resumed = run(folder, resume=True, plugins=plugins)
    assert compare.difference(whole.path, resumed.path) == []


def test_what_was_found_is_in_metrics_and_report(train):
    finished = train(epochs=4, aggregator=MIX)
    found = [line["global"]["aggregator"] for line in finished.metrics]
    assert [one["found_in_epoch"] for one in found] == [1, 1, 3, 4]
    assert finished.report["aggregator"] == found[-1]
    shares = found[-1]["shares"]
    assert sum(shares.values()) == pytest.approx(1)
    text = (finished.path / "report.md").read_text()
    assert f"shares natural {shares['natural']:.6g}, robust {shares['robust']:.6g}" in text
    assert "on the validation split: found in epoch 4; " in text


def test_reports_of_others_say_nothing_of_it(train):
    finished = train()
    assert finished.report["aggregator"] == {}
    assert "aggregator" not in (finished.path / "report.md").read_text()
    assert all("aggregator" not in line["global"] for line in finished.metrics)


def test_learners_train_as_if_nobody_had_measured(train):
    measured, plain = train(aggregator=MIX), train(aggregator={"use": "soup", "choice": "uniform"})
    for name in ("natural", "robust"):
        ours, theirs = (finished.model(name).weights() for finished in (measured, plain))
        assert all(torch.equal(ours[key], tensor) for key, tensor in theirs.items())


def test_the_test_split_has_no_say(train):
    chosen = []
    for twist in (0, 1):
        finished = train(aggregator=MIX, dataset={"use": "corners", "twist": twist})
        chosen.append([line["global"]["aggregator"] for line in finished.metrics])
    assert chosen[0] == chosen[1]


def test_figures_are_those_of_the_network_that_is_deployed(train):
    """The score of the mix that was chosen is measured again by the evaluation, with the same attack."""
    line = train(aggregator=MIX, evaluation={"attacks": {"pgd": PGD}}).metrics[-1]["global"]
    assert line["aggregator"]["natural"] == line["validation"]["natural"]
    assert line["aggregator"]["robust"] == line["validation"]["pgd"]


def test_without_validation_examples_the_recipe_is_refused(recipe):
    with pytest.raises(
        RecipeError, match="aggregator: it measures on validation examples, but validation_examples is 0"
    ):
        recipe(aggregator={**DEALT, "merge": MIX}, validation_examples=0)


def test_where_a_tenth_of_few_images_is_none_the_run_is_refused_before_it_trains(train, tmp_path):
    few = {"dataset": {"use": "corners", "train": 9}, "batch_size": 4, "validation_examples": None}
    with pytest.raises(DataError, match="'learned-mix' measures on the validation split, which is empty: set valid"):
        train(aggregator=MIX, **few, output=tmp_path / "refused")
    assert not (tmp_path / "refused").exists()


def test_task_arithmetic_needs_one_start(train, tmp_path):
    other = train(seed=2).path / "weights" / "global.safetensors"
    natural = {"strategy": "natural", "optimizer": SGD}
    aggregator = {"use": "task-arithmetic", "scale": 0.4}
    learners = {"a": natural, "b": {**natural, "start_from": str(other)}}
    with pytest.raises(InputError, match="common initial weights; 'a' and 'b' start from different ones"):
        train(learners=learners, aggregator=aggregator)
    both = {name: {**natural, "start_from": str(other)} for name in learners}
    assert train(learners=both, aggregator=aggregator).report["networks"]["global"]["natural"]["examples"] == 20


def test_tied_and_frozen_parameters_have_their_information_once(train):
    finished = train(architecture="tied", aggregator={"use": "fisher", "examples": 4})
    traces = finished.metrics[-1]["global"]["aggregator"]["fisher_trace"]
    assert set(traces) == {"natural", "robust"}
    assert min(traces.values()) > 0


@dataclass(frozen=True)
class Odd(Aggregator):
    """Settles in a way that a test says."""

    name = "odd"
    way = None

    def update(self, clock, merged, learners):
        copy_(merged, learners["only"])

    def settles(self, clock):
        return True

    def settle(self, clock, merged, learners, bench):
        return type(self).way(bench)


@pytest.mark.parametrize(
    ("way", "error", "words"),
    [
        (lambda bench: {"weights": torch.zeros(1)}, TrainingError, "'odd', epoch 1: settle returned what JSON cannot"),
        (lambda bench: {"score": float("nan")}, TrainingError, "what JSON cannot hold: {'score': nan}"),
        (lambda bench: bench.initial, TrainingError, "does not name them in `needs`"),
    ],
    ids=["tensors", "nan", "needs"],
)
def test_odd_ways_to_settle(plugins, tmp_path, monkeypatch, way, error, words):
    monkeypatch.setattr(Odd, "way", staticmethod(way))
    parts = make("dataset", "corners", plugins.registry), make("architecture", "tiny", plugins.registry)
    learner = LearnerRecipe(strategy=make("strategy", "natural"), optimizer=make("optimizer", "sgd", lr=0.1))
    settings = {"batch_size": 8, "dataset": parts[0], "architecture": parts[1], "learners": {"only": learner}}
    recipe = Recipe(name="odd", epochs=1, aggregator=Odd(), **settings)
    with pytest.raises(error) as caught:
        run(recipe, output=tmp_path / "run", plugins=Plugins())
    assert words in str(caught.value)


def test_findings_are_kept_as_a_checkpoint_gives_them_back(train):
    """Plain data, in memory as on disk: a run that goes on in the same process sees what a resumed one sees."""
    seen = []

    class Look(Listener):
        def epoch_ended(self, run, metrics):
            seen.append(run.bench.found)

    finished = train(aggregator=MIX, listener=Look())
    lines = (finished.path / "metrics.jsonl").read_text().splitlines()
    assert seen == [json.loads(line)["global"]["aggregator"] for line in lines]
