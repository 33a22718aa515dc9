"""Observers hear of a run between its epochs, change nothing, and cannot stop it."""

from __future__ import annotations

import json

import pytest
import torch

import robustkit
from robustkit.plugin.manager import Plugins

OBSERVER = """
import json
heard = []

@hookimpl
def run_started(run):
    heard.append(("started", run.recipe.name, run.progress.epoch))

@hookimpl
def epoch_ended(epoch, metrics):
    heard.append(("epoch", epoch, sorted(metrics)))

@hookimpl
def run_ended(run, report):
    heard.append(("ended", str(run.folder.path), sorted(report["networks"])))
"""


def observed(output, plugins, *words: str, **options):
    recipe = {
        "name": "observed",
        "epochs": 2,
        "batch_size": 32,
        "train_examples": 64,
        "validation_examples": 32,
        "dataset": "digits",
        "architecture": {"use": "small-cnn", "width": 2},
        "learners": {"only": {"strategy": "natural", "optimizer": {"use": "sgd", "lr": 0.1}}},
        "aggregator": "single",
        "evaluation": {"test_examples": 32},
        "device": "cpu",
    }
    return robustkit.run(recipe, *words, output=output, plugins=plugins, **options)


class Warnings(robustkit.Listener):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def warned(self, text: str) -> None:
        self.texts.append(text)


def heard_by(name: str) -> list[tuple]:
    import importlib

    return importlib.import_module(name).heard


def test_each_moment_is_told_once_with_the_arguments_that_are_asked_for(install, tmp_path):
    install("my-observer", OBSERVER)
    observed(tmp_path / "run", Plugins())
    metrics = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().split("\n")[0])
    assert heard_by("my_observer") == [
        ("started", "observed", 0),
        ("epoch", 1, sorted(metrics)),
        ("epoch", 2, sorted(metrics)),
        ("ended", str(tmp_path / "run"), ["global", "only"]),
    ]


def test_what_is_told_is_already_on_disk(install, tmp_path):
    install(
        "my-observer",
        """
        heard = []

        @hookimpl
        def epoch_ended(run, epoch):
            lines = run.folder.metrics.read_text().splitlines()
            heard.append((epoch, len(lines), run.folder.checkpoint.is_file()))

        @hookimpl
        def run_ended(run):
            heard.append(run.folder.report.is_file())
        """,
    )
    observed(tmp_path / "run", Plugins())
    assert heard_by("my_observer") == [(1, 1, True), (2, 2, True), True]


@pytest.mark.parametrize("hook", ["run_started(run)", "epoch_ended(epoch)", "run_ended(report)"])
def test_an_observer_that_raises_is_a_warning_and_the_run_goes_on(hook, install, tmp_path):
    install("my-observer", OBSERVER)
    install("my-raiser", f"@hookimpl\ndef {hook}:\n    raise OSError('the disk of logs is full')\n")
    listener = Warnings()
    finished = observed(tmp_path / "run", Plugins(), listener=listener)
    assert finished.report["networks"]
    name = hook.split("(")[0]
    expected = f"my-raiser raised in {name}(): OSError: the disk of logs is full"
    assert len(listener.texts) == (2 if name == "epoch_ended" else 1)
    assert all(expected in text for text in listener.texts)
    assert len(heard_by("my_observer")) == 4


def test_observers_that_draw_random_numbers_move_no_weight(install, tmp_path):
    plain = observed(tmp_path / "plain", Plugins())
    install(
        "my-noise",
        """
        import random
        import numpy
        import torch

        def draw():
            torch.rand(7), numpy.random.rand(), random.random()

        @hookimpl
        def run_started():
            draw()

        @hookimpl
        def epoch_ended():
            draw()
        """,
    )
    watched = observed(tmp_path / "watched", Plugins())
    for name, tensor in plain.model().weights().items():
        assert torch.equal(tensor, watched.model().weights()[name]), name


def test_a_plugin_that_is_left_out_hears_nothing(install, tmp_path):
    install("my-observer", OBSERVER)
    observed(tmp_path / "run", Plugins(disable=["my-observer"]))
    assert heard_by("my_observer") == []
