"""Stopping a run early: a first look at a long run that costs nothing, because it can go on."""

from __future__ import annotations

import pytest

from robustkit import load_run, run
from robustkit.errors import InputError


def test_stopped_and_resumed_is_the_run_in_one_go(recipe, plugins, compare, tmp_path):
    long = recipe(epochs=3)
    whole = run(long, output=tmp_path / "whole", plugins=plugins)
    first = run(long, output=tmp_path / "parts", plugins=plugins, stop_after=1)
    assert [line["epoch"] for line in first.metrics] == [1]
    assert not (first.path / "report.json").exists()
    assert "not finished, 1 of 3 epochs" in repr(load_run(first.path, plugins.registry))
    again = run(first.path, plugins=plugins, resume=True, stop_after=2)
    assert [line["epoch"] for line in again.metrics] == [1, 2]
    last = run(first.path, plugins=plugins, resume=True)
    assert compare.difference(whole.path, last.path) == []


def test_stopping_past_the_end_is_the_whole_run(recipe, plugins, tmp_path):
    finished = run(recipe(), output=tmp_path / "run", plugins=plugins, stop_after=9)
    assert finished.report["epochs"] == 2


def test_a_stop_before_the_first_epoch_makes_no_sense(recipe, plugins, tmp_path):
    with pytest.raises(InputError, match="expected to stop after epoch 1 or later, got 0"):
        run(recipe(), output=tmp_path / "run", plugins=plugins, stop_after=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "optimizer",
    [
        {"use": "sgd", "lr": 0.05, "momentum": 0.9},
        {"use": "adamw", "lr": 0.01},
        {"use": "sam", "lr": 0.05, "rho": 0.05},
    ],
    ids=lambda optimizer: optimizer["use"],
)
def test_with_colour_images_too(recipe, plugins, compare, tmp_path, optimizer):
    """Weights of more than one input channel lie otherwise in memory (channels last) than files hold momentum."""
    long = recipe(
        epochs=2,
        dataset={"use": "corners", "channels": 3},
        learners={"natural": {"strategy": "natural", "optimizer": optimizer}},
        aggregator={"use": "wa"},
    )
    whole = run(long, output=tmp_path / "whole", plugins=plugins)
    run(long, output=tmp_path / "parts", plugins=plugins, stop_after=1)
    assert compare.difference(whole.path, run(tmp_path / "parts", plugins=plugins, resume=True).path) == []
