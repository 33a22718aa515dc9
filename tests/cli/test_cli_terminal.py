"""What a person at a terminal sees: bars that move, and what Ctrl-C leaves."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from cli_parts import environment, process

from robustkit import load_run
from robustkit.cli.bars import Bars
from robustkit.cli.progress import Lines, Progress
from robustkit.cli.screen import progress_display

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(*words: str, cwd: Path, columns: int = 120) -> tuple[int, str]:
    """Run the command on a terminal of its own; returns its exit code and all it drew."""
    mine, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    job = subprocess.Popen(
        [sys.executable, "-m", "robustkit", *words],
        cwd=cwd,
        env=environment(TERM="xterm"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            part = os.read(mine, 65536)
        except OSError:  # what Linux says when the other end is closed
            break
        if not part:
            break
        drawn += part
    os.close(mine)
    return job.wait(), drawn.decode()


def test_bars_and_a_line_for_each_measured_epoch(tiny: Path) -> None:
    code, drawn = on_a_terminal("run", "tiny.yaml", "epochs=150", "evaluation.every_epochs=50", cwd=tiny.parent)
    plain = CODES.sub("", drawn)
    assert code == 0
    assert "\x1b[?25h" in drawn  # the cursor is back
    assert re.search(
        r"epoch +\d+/150 [━╸╺]+ +\d+ % +[\d.:]+ s left +[\d,]+ images/s +loss natural \d\.\d+ robust", plain
    )
    assert set(re.findall(r"epoch +(\d+)/150  validation natural/pgd-1: global", plain)) == {"50", "100", "150"}
    assert "trained in" in plain
    assert re.search(r"evaluation [━╸╺]+ 100 %", plain)
    assert "\x1b[1maccuracy" in drawn  # a bold head, in colour only because this is a terminal
    assert plain.splitlines()[-1] == "Results: runs/tiny"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bars_only_on_a_terminal_that_can_draw_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert type(progress_display(err=True)) is Bars
    assert type(progress_display(err=True, quiet=True)) is Progress
    monkeypatch.setenv("TERM", "dumb")
    assert type(progress_display(err=True)) is Lines
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "1")  # as CI services do, whose logs are no terminals
    assert type(progress_display(err=True)) is Lines


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(tiny: Path, median: Path) -> None:
    words = ["run", "tiny.yaml", "epochs=20", "aggregator=median", "--plugin", str(median), "--output", "my run"]
    job = subprocess.Popen(
        [sys.executable, "-m", "robustkit", *words],
        cwd=tiny.parent,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert job.stdout is not None
    for line in job.stdout:
        if line.startswith("epoch  3/20"):
            job.send_signal(signal.SIGINT)
            break
    _, said = job.communicate(timeout=60)
    assert job.returncode == 130
    assert "Traceback" not in said
    kept = int(re.search(r"The checkpoint of epoch (\d+) of 20 is kept\.", said)[1])  # type: ignore[index]
    assert 3 <= kept < 20

    resume = shlex.split(said.split("Go on with: robustkit ")[1])
    assert resume == ["run", "my run", "--resume", "--plugin", str(median)]
    found = process(*resume, cwd=tiny.parent)
    assert (found.returncode, found.stderr) == (0, "")
    assert f"going on after epoch {kept}" in found.stdout
    assert f"epoch {kept + 1:>2}/20" in found.stdout
    assert f"epoch {kept:>2}/20" not in found.stdout
    assert len(load_run(tiny.parent / "my run").metrics) == 20
