"""Training that breaks down: a clear error, and what was reached before is kept."""

from __future__ import annotations

import pytest
import torch

from robustkit import load_model, load_run, run
from robustkit.errors import TrainingError

BATCHES = 3  # 39 examples less 12 for validation, by 8


def watched(data, **breaks):
    """The tiny recipe's learners, of which the natural one breaks."""
    learners = data()["learners"]
    learners["natural"]["strategy"] = {"use": "watched", "label": "natural", **breaks}
    return learners


def message(caught):
    return str(caught.value)


def test_a_loss_names_learner_epoch_and_batch_and_what_is_kept(train, data, tmp_path):
    with pytest.raises(TrainingError) as caught:
        train(learners=watched(data, not_a_number_at=BATCHES + 2), output=tmp_path / "run")
    assert "learner 'natural': the loss is nan in epoch 2, batch 2." in message(caught)
    assert f"The checkpoint of epoch 1 is kept in {tmp_path / 'run'}." in message(caught)
    assert caught.value.exit_code == 1


def test_in_the_first_epoch_nothing_is_kept_and_that_is_said(train, data, tmp_path):
    with pytest.raises(TrainingError, match="in epoch 1, batch 1. No epoch was finished."):
        train(learners=watched(data, not_a_number_at=1), output=tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_long_epochs_are_not_waited_for(train, data, parts):
    """With one example a batch there are 27 batches; the losses are looked at after 20."""
    with pytest.raises(TrainingError, match="in epoch 1, batch 3"):
        train(learners=watched(data, not_a_number_at=3), batch_size=1)
    assert parts.CALLS["natural"] == 20


def test_what_breaks_after_the_first_look_is_named_by_its_place_in_the_epoch(train, data):
    with pytest.raises(TrainingError, match="in epoch 1, batch 23"):
        train(learners=watched(data, not_a_number_at=23), batch_size=1)


def test_the_last_good_epoch_can_be_resumed(train, data, parts, plugins, tmp_path, compare):
    breaking = {"learners": watched(data, not_a_number_at=BATCHES + 2), "epochs": 3}
    with pytest.raises(TrainingError):
        train(**breaking, output=tmp_path / "broken")
    assert len(load_run(tmp_path / "broken", plugins.registry).metrics) == 1
    parts.CALLS["natural"] = 100  # past the breaking call
    run(tmp_path / "broken", resume=True, plugins=plugins)
    assert compare.difference(tmp_path / "broken", train(**breaking).path) == []


def test_the_best_weights_so_far_stay_usable(train, data, plugins, tmp_path):
    with pytest.raises(TrainingError):
        train(
            learners=watched(data, not_a_number_at=BATCHES + 1),
            evaluation={"select_by": "natural"},
            output=tmp_path / "run",
        )
    model = load_model(tmp_path / "run" / "weights" / "global.safetensors", registry=plugins.registry)
    assert bool(torch.isfinite(model(torch.rand(2, 1, 6, 6))).all())


def test_weights_that_are_not_finite_after_the_last_batch(train, data, tmp_path, plugins):
    with pytest.raises(TrainingError, match="natural.*no longer finite at the end of epoch 2"):
        train(learners=watched(data, infinite_weight_at=2 * BATCHES), output=tmp_path / "run")
    assert len(load_run(tmp_path / "run", plugins.registry).metrics) == 1


def test_no_half_written_file_is_left(train, data, tmp_path):
    with pytest.raises(TrainingError):
        train(learners=watched(data, not_a_number_at=BATCHES + 1), output=tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoint.safetensors",
        "lock.yaml",
        "metrics.jsonl",
    ]


@pytest.mark.parametrize("returned", ["none", "vector", "constant"])
def test_a_strategy_must_return_a_differentiable_scalar(train, monkeypatch, plugins, returned):
    losses = {"none": None, "vector": torch.ones(3, requires_grad=True), "constant": torch.ones(())}
    natural = plugins.registry.find("strategy", "natural").cls
    monkeypatch.setattr(natural, "loss", lambda self, model, images, labels: losses[returned])
    with pytest.raises(TrainingError, match="learner 'natural': strategy 'natural' must return a diff"):
        train()
