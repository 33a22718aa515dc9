"""What is said of a sweep at work: how far it is, how long still, and why a run failed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from sweep_parts import runs_of

from robustkit.cli.sweep_progress import SweepBar, SweepLines, SweepProgress
from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.jobs import Ended
from robustkit.engine.sweep.plan import PlannedRun

FOLDER = SweepFolder("here")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, to be changed."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def four(tiny: Path) -> list[PlannedRun]:
    """Runs of 3 epochs, prepared; nothing is trained."""
    runs = runs_of(tiny, grid=("seed=1..4",))
    FOLDER.logs.mkdir(parents=True)
    for run in runs:
        FOLDER.prepare(run)
    return runs


def train(run: PlannedRun, epochs: int) -> None:
    FOLDER.run(run).write_metrics([{}] * epochs)


def finish(run: PlannedRun) -> None:
    networks = {"global": {"natural": {"accuracy": 0.9}, "a": {"accuracy": 0.4}, "worst-case": {"accuracy": 0.3}}}
    FOLDER.run(run).report.write_text(json.dumps({"networks": networks}), encoding="utf-8")


def test_time_left_counts_whole_runs_and_parts_of_those_at_work(four: list[PlannedRun], clock: list[float]) -> None:
    train(four[1], 2)
    progress = SweepProgress(FOLDER, 4, four[1:])
    assert progress.seconds_left() is None
    clock[0] += 10.0
    train(four[1], 3)
    progress.looked([four[1]])
    assert progress.done() == pytest.approx(0.3), "a third of the epochs, which are nine tenths of a run"
    assert progress.seconds_left() == pytest.approx(10.0 / 0.3 * (0.4 + 2 - 0.3))
    finish(four[1])
    progress.ended(Ended(four[1], 0, 12.0))
    assert progress.done() == pytest.approx(0.4)


def test_a_line_says_figures_time_and_what_is_left(
    four: list[PlannedRun], clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    progress = SweepLines(FOLDER, 4, four[2:])
    clock[0] += 20.0
    finish(four[2])
    progress.ended(Ended(four[2], 0, 20.0))
    assert capsys.readouterr().out == "3/4 tiny_seed-3  natural 90.0 %, worst-case 30.0 %  20 s, 20 s left\n"
    FOLDER.log(four[3]).write_text("epoch 1\nerror: the disk is full\nmore\n", encoding="utf-8")
    progress.ended(Ended(four[3], 1, 5.0))
    failure = "failed (exit code 1): the disk is full Log: here/logs/tiny_seed-4.log"
    assert capsys.readouterr().out == f"4/4 tiny_seed-4  {failure}  5.0 s\n"
    assert [ended.run for ended in progress.failed] == [four[3]]


def test_a_run_that_a_signal_ended_is_told_by_its_name(
    four: list[PlannedRun], capsys: pytest.CaptureFixture[str]
) -> None:
    FOLDER.log(four[0]).touch()
    SweepLines(FOLDER, 4, four, err=True).ended(Ended(four[0], -9, 1.0))
    assert "1/4 tiny_seed-1  failed (killed by SIGKILL): " in capsys.readouterr().err


def test_the_bar_moves_with_the_epochs_of_the_runs_at_work(
    four: list[PlannedRun], clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with SweepBar(FOLDER, 4, four[2:]) as bar:
        clock[0] += 10.0
        train(four[2], 2)
        bar.looked([four[2]])
        bar.say("[a line] that stays")
    shown = capsys.readouterr().out
    assert "[a line] that stays" in shown
    assert "2 of 4 runs" in shown
    assert " 65 %" in shown, "2.6 runs of 4"
    assert "tiny_seed-3 2/3" in shown
