"""Observers and listeners: told what happened, in order, and powerless."""

from __future__ import annotations

import pytest
import torch

from robustkit import Listener, Plugins, load_recipe, run
from robustkit.engine.checkpoint import Progress
from robustkit.models.files import read_tensors

OBSERVER = """
import torch
from robustkit import hookimpl
HEARD = []

@hookimpl
def run_started(run):
    HEARD.append(("run_started", run.progress.epoch, run.folder.lock.is_file()))

@hookimpl
def epoch_ended(run, epoch, metrics):
    lines = run.folder.metrics.read_text().splitlines()
    HEARD.append(("epoch_ended", epoch, metrics, len(lines), run.folder.checkpoint.is_file()))
    torch.rand(100)

@hookimpl
def run_ended(report):
    HEARD.append(("run_ended", report))
"""
BROKEN = """
from robustkit import hookimpl

@hookimpl
def run_started():
    raise ValueError("no start")

@hookimpl
def epoch_ended(metrics, epoch):
    raise KeyError(epoch)

@hookimpl
def run_ended(run, report):
    raise OSError("disk full")
"""


@pytest.fixture
def watch(tmp_path, data, parts):
    """Run the tiny recipe with an observer of this source; gives the finished run and the observer's module."""

    def watch(source, name="watcher", listener=None, **changes):
        import sys

        file = tmp_path / f"{name}.py"
        file.write_text(source)
        plugins = Plugins(files=[parts.__file__, file])
        recipe = load_recipe(data(**changes), registry=plugins.registry)
        finished = run(recipe, output=tmp_path / name, plugins=plugins, listener=listener)
        return finished, sys.modules[f"robustkit_file_plugin_{name}"]

    return watch


class Diary(Listener):
    def __init__(self):
        self.pages = []

    def started(self, run):
        self.pages.append("started")

    def batch_ended(self, run):
        losses = {len(learner.losses) for learner in run.learners.values()}
        assert losses == {run.clock.batch}
        self.pages.append(f"batch {run.clock.epoch}.{run.clock.batch}")

    def measuring(self, network, part, done, total):
        self.pages.append(f"measuring {network} {part} {done}/{total}")

    def epoch_ended(self, run, metrics):
        _, header = read_tensors(run.folder.checkpoint)
        assert Progress(**header["progress"]).metrics[-1] == metrics
        self.pages.append(f"epoch {metrics['epoch']}")

    def warned(self, text):
        self.pages.append(text)

    def ended(self, run, report):
        assert run.folder.report.is_file()
        self.pages.append("ended")


def test_observers_hear_of_each_moment_after_it_is_safe_on_disk(watch):
    finished, module = watch(OBSERVER)
    started, *epochs, ended = module.HEARD
    assert started == ("run_started", 0, True)
    for number, (line, heard) in enumerate(zip(finished.metrics, epochs, strict=True), start=1):
        assert heard == ("epoch_ended", number, line, number, True)
    assert ended == ("run_ended", finished.report)


def test_an_observer_changes_nothing(watch, train, compare):
    finished, _ = watch(OBSERVER)
    assert compare.difference(finished.path, train().path) == []


def test_an_observer_that_raises_stops_nothing_and_is_named(watch, train, compare):
    diary = Diary()
    finished, _ = watch(BROKEN, name="clumsy", listener=diary)
    texts = [page for page in diary.pages if "raised" in page]
    assert [text.split("raised in ")[1] for text in texts] == [
        "run_started(): ValueError: no start",
        "epoch_ended(): KeyError: 1",
        "epoch_ended(): KeyError: 2",
        "run_ended(): OSError: disk full",
    ]
    assert all("clumsy" in text for text in texts)
    assert compare.difference(finished.path, train().path) == []


def test_a_listener_hears_everything_in_order(train):
    diary = Diary()
    train(listener=diary, evaluation={"test_examples": 10})
    epoch = [
        "measuring global natural 12/12",
        "measuring natural natural 12/12",
        "measuring robust natural 12/12",
    ]
    assert diary.pages == [
        "started",
        *("batch 1.1", "batch 1.2", "batch 1.3", *epoch, "epoch 1"),
        *("batch 2.1", "batch 2.2", "batch 2.3", *epoch, "epoch 2"),
        *(page.replace("12/12", "10/10") for page in epoch),
        "ended",
    ]


def test_without_a_listener_a_run_is_silent(train, capsys):
    train()
    heard = capsys.readouterr()
    assert heard.out == ""
    assert "warn" not in heard.err


def test_a_run_can_be_stopped_from_a_listener(train, plugins, tmp_path):
    """Ctrl-C, say: what was reached stays and can be gone on from."""

    class Stop(Listener):
        def batch_ended(self, run):
            if run.clock.step == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(listener=Stop(), output=tmp_path / "stopped")
    finished = run(tmp_path / "stopped", resume=True, plugins=plugins)
    assert [line["epoch"] for line in finished.metrics] == [1, 2]
    assert torch.get_num_threads() >= 1
