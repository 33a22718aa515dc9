"""A recipe that takes a second, sweeps of it, and the command as a process."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.plan import PlannedRun, planned
from robustkit.engine.sweep.reading import read_sweep
from robustkit.engine.sweep.spec import Sweep
from robustkit.plugin.manager import installed

TINY = """\
name: tiny
epochs: 3
batch_size: 32
train_examples: 64
validation_examples: 20
dataset: digits
architecture: {use: small-cnn, width: 2}
learners:
  natural:
    strategy: natural
    optimizer: {use: sgd, lr: 0.1}
  robust:
    strategy: {use: adversarial, attack: {use: fgsm, eps: 0.1}}
    optimizer: {use: sgd, lr: 0.1}
    averaging: {decay: 0.5}
aggregator: {use: generalist, mix: {robust: 0.5}, decay: 0.5, every_epochs: 2}
evaluation:
  every_epochs: 1000
  test_examples: 20
  final_attacks: {fgsm: {use: fgsm, eps: 0.1}}
"""

VARIANTS = """\
name: what-averages
base: tiny.yaml
variants:
  neither:
    learners.robust.averaging: null
  both:
    learners.natural.averaging: {decay: 0.5}
  robust: {}
seeds: 1..2
"""


def sweep(source: Path | str, *overrides: str, grid: tuple[str, ...] = (), base: str | None = None) -> Sweep:
    return read_sweep(str(source), overrides, grid, installed().registry, base)


def runs_of(
    source: Path | str, *overrides: str, grid: tuple[str, ...] = (), base: str | None = None
) -> list[PlannedRun]:
    return planned(sweep(source, *overrides, grid=grid, base=base), installed().registry)


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < limit, "it did not come to pass"
        time.sleep(0.02)


def guard_is_free(folder: SweepFolder) -> bool:
    with folder.guard.open("r") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def start(*words: Any, cwd: Path) -> subprocess.Popen[str]:
    """`robustkit sweep` as a process of its own; stderr comes with stdout."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ROBUSTKIT", "_ROBUSTKIT", "FORCE_COLOR"))}
    command = [sys.executable, "-m", "robustkit", "sweep", *(str(word) for word in words)]
    return subprocess.Popen(
        command,
        cwd=cwd,
        env={**kept, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
