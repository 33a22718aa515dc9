"""Processes at work, with workers that are quick: a few lines of Python each."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sweep_parts import runs_of

from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.jobs import Ended, JobListener, Jobs
from robustkit.engine.sweep.plan import PlannedRun

NOTES = "import os, sys, time; from pathlib import Path; here = Path(sys.argv[1]); "
NOTE = NOTES + "(here / 'threads').write_text(os.environ['OMP_NUM_THREADS']); "
FAILS = NOTE + "sys.exit(3 if here.name.endswith('2') else 0)"
KILLED = NOTE + "os.kill(os.getpid(), 9)"
WAITS = NOTE + "sys.stdin.read(); (here / 'stopped').touch()"
SLOW = NOTE + "time.sleep(0.5)"


class Heard(JobListener):
    """Notes what it hears; interrupts once so many runs are at work."""

    def __init__(self, interrupt_at: int = 99) -> None:
        self.order: list[str] = []
        self.most, self._interrupt_at = 0, interrupt_at

    def started(self, run: PlannedRun) -> None:
        self.order.append(f"+{run.recipe.seed}")

    def ended(self, ended: Ended) -> None:
        self.order.append(f"-{ended.run.recipe.seed}")

    def looked(self, active: Sequence[PlannedRun]) -> None:
        self.most = max(self.most, len(active))
        noted = [run for run in active if (SweepFolder("here").run(run).path / "threads").is_file()]
        if len(noted) >= self._interrupt_at:
            raise KeyboardInterrupt


def work(tiny: Path, program: str, jobs: int, heard: Heard) -> list[Ended]:
    folder, runs = SweepFolder("here"), runs_of(tiny, "threads=3", grid=("seed=1..4",))
    folder.logs.mkdir(parents=True)
    with Path("guard").open("w") as guard:
        command = [sys.executable, "-c", program]
        return Jobs(folder, command, jobs=jobs, guard=guard.fileno()).work(runs, heard)


def test_one_at_a_time_goes_in_order_with_the_recipes_threads(tiny: Path) -> None:
    heard = Heard()
    ended = work(tiny, NOTE, 1, heard)
    assert heard.order == ["+1", "-1", "+2", "-2", "+3", "-3", "+4", "-4"]
    assert [end.exit_code for end in ended] == [0, 0, 0, 0]
    assert [path.read_text() for path in sorted(Path("here/runs").glob("*/threads"))] == ["3"] * 4


def test_never_more_at_a_time_than_asked_for(tiny: Path) -> None:
    heard = Heard()
    assert len(work(tiny, SLOW, 3, heard)) == 4
    assert heard.most == 3


@pytest.mark.parametrize(("program", "codes"), [(FAILS, [0, 3, 0, 0]), (KILLED, [-9] * 4)])
def test_a_failure_does_not_keep_the_others_from_running(tiny: Path, program: str, codes: list[int]) -> None:
    ended = work(tiny, program, 1, Heard())
    assert [end.exit_code for end in ended] == codes


def test_an_interrupt_stops_all_at_work_and_starts_no_more(tiny: Path) -> None:
    heard = Heard(interrupt_at=2)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work(tiny, WAITS, 2, heard)
    assert time.monotonic() - began < 20
    assert heard.order == ["+1", "+2"]
    assert len(list(Path("here/runs").glob("*/stopped"))) == 2
