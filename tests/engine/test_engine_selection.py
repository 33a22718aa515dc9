"""Which epoch's weights are kept: validation chooses, the test split never does."""

from __future__ import annotations

import pytest
import torch

from robustkit import Listener, evaluate
from robustkit.components.weights import copy_
from robustkit.engine.data import RunData

RUINED = {1: 0.05, 4: 0.05, 5: 20.0, 6: 20.0}
"""A learning rate that, with weight decay, undoes in the fifth epoch what was learnt."""


def both_at(data, lr):
    learners = data()["learners"]
    for learner in learners.values():
        learner["optimizer"] = {"use": "sgd", "lr": lr, "weight_decay": 0.1}
    return learners


def scores(finished, by):
    return {
        line["epoch"]: line["global"]["validation"][by] for line in finished.metrics if "validation" in line["global"]
    }


class Snapshots(Listener):
    """What every network offers after each epoch."""

    def __init__(self):
        self.kept = {}

    def epoch_ended(self, run, metrics):
        offered = {"global": run.merged, **{name: learner.weights for name, learner in run.learners.items()}}
        self.kept[metrics["epoch"]] = {
            name: {key: tensor.clone() for key, tensor in weights.items()} for name, weights in offered.items()
        }


@pytest.fixture
def ruined(train, data):
    def ruin(**changes):
        evaluation = {"select_by": "natural", **changes.pop("evaluation", {})}
        return train(learners=both_at(data, RUINED), epochs=6, evaluation=evaluation, **changes)

    return ruin


def test_the_best_epoch_on_validation_is_kept(ruined, compare):
    listener = Snapshots()
    finished = ruined(listener=listener)
    found = scores(finished, "natural")
    best = max(found, key=lambda epoch: (found[epoch], -epoch))
    assert found[best] > 0.9 > found[6]  # the plant worked
    assert best < 5
    assert finished.report["selection"] == {
        "by": "natural",
        "split": "validation",
        "epoch": best,
        "accuracy": found[best],
        "text": f"The weights are those of epoch {best}, chosen by the global learner's natural accuracy on the "
        f"validation split ({found[best]:.4f}); the test split chose nothing.",
    }
    for name, weights in listener.kept[best].items():
        tensors, _ = compare.tensors_of(finished.folder.weights(name))
        assert tensors.keys() == weights.keys()
        assert all(torch.equal(tensors[key], tensor) for key, tensor in weights.items())


def test_the_kept_weights_have_the_accuracy_that_chose_them(ruined, recipe):
    finished = ruined()
    validation = RunData(recipe(), torch.device("cpu")).validation
    measured = evaluate(finished.model(), validation).accuracies()["natural"]
    assert measured.share == finished.report["selection"]["accuracy"]


def test_every_network_is_measured_as_what_it_offers(train, data, recipe):
    """The natural learner's weights stand still, so its figures are not the others'."""
    learners = both_at(data, 0.05)
    learners["natural"]["optimizer"] = {"use": "sgd", "lr": 0.0}
    listener, splits = Snapshots(), RunData(recipe(seed=2), torch.device("cpu"))
    finished = train(learners=learners, epochs=3, evaluation={"select_by": "natural"}, listener=listener, seed=2)
    model, figures = finished.model(), set()
    for line in finished.metrics:
        for name, weights in listener.kept[line["epoch"]].items():
            copy_(model.weights(), weights)
            told = (line["global"] if name == "global" else line["learners"][name])["validation"]["natural"]
            assert evaluate(model, splits.validation).accuracies()["natural"].share == told
            figures.add(told)
    assert len(figures) > 1
    for name in ("global", "natural", "robust"):
        figure = evaluate(finished.model(name), splits.test).accuracies()["natural"].plain()
        assert finished.report["networks"][name]["natural"] == figure
    assert len({found["natural"]["accuracy"] for found in finished.report["networks"].values()}) > 1


def test_of_equal_epochs_the_earlier_one_is_kept(train, data):
    finished = train(learners=both_at(data, 0.05), epochs=6, evaluation={"select_by": "natural"})
    found = scores(finished, "natural")
    best = [epoch for epoch in found if found[epoch] == max(found.values())]
    assert len(best) > 1
    assert finished.report["selection"]["epoch"] == best[0]


def test_the_test_split_chooses_nothing(ruined, compare):
    """Turned labels in the test split change what is reported and nothing else."""
    straight = compare.results(ruined().path)
    turned = compare.results(ruined(dataset={"use": "corners", "twist": 1}).path)
    assert turned["metrics"] == straight["metrics"]
    assert turned["report"]["selection"] == straight["report"]["selection"]
    weights = [name for name in straight if name.startswith("weights") and ": " in name]
    assert all(torch.equal(straight[name], turned[name]) for name in weights)
    assert turned["report"]["networks"] != straight["report"]["networks"]


def test_last_keeps_the_last(ruined, compare):
    listener = Snapshots()
    finished = ruined(evaluation={"select_by": "last"}, listener=listener)
    assert finished.report["selection"]["by"] == "last"
    assert finished.report["selection"]["epoch"] == 6
    assert finished.report["selection"]["split"] is None
    tensors, _ = compare.tensors_of(finished.folder.weights("robust"))
    assert all(torch.equal(tensors[key], tensor) for key, tensor in listener.kept[6]["robust"].items())


def test_selection_under_an_attack(ruined):
    attacks = {"pgd-2": {"use": "pgd", "eps": 0.1, "step_size": 0.05, "steps": 2}}
    finished = ruined(evaluation={"select_by": "pgd-2", "attacks": attacks})
    found = scores(finished, "pgd-2")
    chosen = finished.report["selection"]
    assert chosen["accuracy"] == found[chosen["epoch"]] == max(found.values())
    assert chosen["by"] == "pgd-2"


def test_only_measured_epochs_can_be_chosen_and_the_last_one_is_measured(ruined):
    finished = ruined(evaluation={"every_epochs": 4})
    assert list(scores(finished, "natural")) == [4, 6]
    assert finished.report["selection"]["epoch"] == 4


def test_without_validation_examples_nothing_is_measured_before_the_end(train):
    finished = train(validation_examples=0)
    assert scores(finished, "natural") == {}
    assert finished.report["examples"] == {"train": 39, "validation": 0, "test": 20}
    assert finished.report["selection"]["epoch"] == 2


def test_the_learners_metrics_are_what_training_saw(train, data, parts):
    learners = data()["learners"]
    learners["natural"]["optimizer"] = {"use": "sgd", "lr": {0: 0.0, 2: 0.1}}
    finished = train(learners=learners)
    assert [line["learners"]["natural"]["lr"] for line in finished.metrics] == [0.05, 0.1]
    assert all(line["learners"]["robust"]["lr"] == 0.05 for line in finished.metrics)
    assert all(0 < line["learners"][name]["loss"] < 5 for line in finished.metrics for name in learners)
    assert [line["epoch"] for line in finished.metrics] == [1, 2]
