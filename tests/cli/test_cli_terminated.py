"""SIGTERM, as schedulers and `docker stop` send it, is taken as Ctrl-C is: state is kept, and the way on is told."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_parts import environment, process

from robustkit import load_run
from robustkit.cli.failures import TerminatedError, exit_code, terminable
from robustkit.engine.folder import RunFolder


def terminated(*words: Any, cwd: Path, when: Callable[[], bool]) -> tuple[int, str]:
    """Start the command and end it by SIGTERM once `when` holds; returns its exit code and what it said on stderr."""
    job = subprocess.Popen(
        [sys.executable, "-m", "robustkit", *(str(word) for word in words)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 60
    while not when():
        assert job.poll() is None, "it ended before it could be told to"
        assert time.monotonic() < limit, "it did not come to pass"
        time.sleep(0.02)
    job.terminate()
    _, said = job.communicate(timeout=60)
    return job.returncode, said


def epochs(folder: Path) -> int:
    metrics = RunFolder(folder).metrics
    return metrics.read_text(encoding="utf-8").count("\n") if metrics.is_file() else 0


def test_a_run_keeps_its_checkpoint_and_says_how_to_go_on(tiny: Path) -> None:
    here = tiny.parent
    words = ["run", "tiny.yaml", "epochs=40", "evaluation.every_epochs=40", "--output", "my run"]
    code, said = terminated(*words, cwd=here, when=lambda: epochs(here / "my run") > 2)
    assert code == 143
    assert "Traceback" not in said
    kept = int(re.search(r"Interrupted\. The checkpoint of epoch (\d+) of 40 is kept\.", said)[1])  # type: ignore[index]
    assert 2 <= kept < 40

    found = process(*shlex.split(said.split("Go on with: robustkit ")[1]), cwd=here)
    assert (found.returncode, found.stderr) == (0, "")
    assert f"going on after epoch {kept}" in found.stdout
    assert len(load_run(here / "my run").metrics) == 40


def test_an_evaluation_keeps_what_it_measured_and_says_so(finished: Path, tmp_path: Path) -> None:
    words = ["evaluate", finished, "--attack", "pgd:eps=0.3,steps=150", "--batch-size", 2, "--output", "found"]
    journal = tmp_path / "found" / "unfinished"
    code, said = terminated(*words, cwd=tmp_path, when=lambda: any(path.is_file() for path in journal.rglob("*")))
    assert code == 143
    assert said.endswith("\nInterrupted. The same command goes on with what is kept in found.\n")
    assert "Traceback" not in said
    assert not (tmp_path / "found" / "report.json").exists()
    assert any(path.is_file() for path in journal.rglob("*"))

    assert process(*words, cwd=tmp_path).returncode == 0
    assert (tmp_path / "found" / "report.json").is_file()
    assert not journal.exists()


def test_what_others_do_about_the_signal_is_left_to_them() -> None:
    """Who starts robustkit may have it ignored; a program that calls it from Python may handle it."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with terminable():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            signal.raise_signal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with pytest.raises(KeyboardInterrupt) as caught, terminable():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (exit_code(caught.value), exit_code(KeyboardInterrupt())) == (143, 130)
    assert type(caught.value) is TerminatedError


def test_outside_the_main_thread_where_python_takes_no_handlers_commands_work_all_the_same() -> None:
    entered = []

    def work() -> None:
        with terminable():
            entered.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [True]
