"""A sweep that is told to end, and one on a system without the lock that it needs."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from sweep_parts import runs_of, start

from robustkit.cli.main import cli
from robustkit.engine.sweep.folder import SweepFolder


def test_sigterm_ends_a_sweep_as_ctrl_c_does(tiny: Path) -> None:
    grid = ("--grid", "aggregator.mix.robust=0.25", "seed=1..2")
    folder, (run, _) = SweepFolder("here"), runs_of(tiny, "epochs=40", grid=grid[1:])
    job = start(tiny, "epochs=40", *grid, "--output", "here", cwd=Path.cwd())
    limit = time.monotonic() + 60
    while folder.epochs_done(run) <= 2:
        assert time.monotonic() < limit, "it did not begin"
        time.sleep(0.02)
    job.send_signal(signal.SIGTERM)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 143
    assert "Traceback" not in said
    assert "failed" not in said
    assert said.endswith("Interrupted: 0 of 2 runs are finished, the others can go on: robustkit sweep here\n")
    assert folder.state(run) == "unfinished"
    assert "Interrupted. The checkpoint of epoch" in folder.log(run).read_text(encoding="utf-8")

    go_on = shlex.split(said.rpartition("robustkit ")[2])
    result = CliRunner().invoke(cli, [*go_on, "--dry-run"], prog_name="robustkit")
    assert f"epoch {folder.epochs_done(run)}/40" in result.stdout


def without_fcntl(*words: str) -> subprocess.CompletedProcess[str]:
    """The command in a Python that has no fcntl, as under Windows."""
    program = "import sys; sys.modules['fcntl'] = None; from robustkit.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)


def test_without_fcntl_a_sweep_says_so_and_writes_nothing(tiny: Path) -> None:
    found = without_fcntl("sweep", "tiny.yaml", "--grid", "seed=1..2")
    assert found.returncode == 2
    assert found.stderr.startswith("error: a sweep locks its folder, for which it needs a POSIX system")
    assert found.stderr.count("\n") == 1
    assert [path.name for path in tiny.parent.iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize(
    "words", ["sweep tiny.yaml --grid seed=1..2 --dry-run", "list", "check tiny.yaml", "sweep --help"]
)
def test_without_fcntl_everything_else_works(tiny: Path, words: str) -> None:
    found = without_fcntl(*words.split())
    assert (found.returncode, found.stderr) == (0, "")
