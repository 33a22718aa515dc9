"""A sweep's runs at work: so many processes at a time, each a run that can be resumed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedWriter
from typing import cast

from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.plan import PlannedRun

_LOOK = 0.1  # seconds between two looks at the processes
_PATIENCE = 30.0  # seconds that processes have to end by themselves


@dataclass(frozen=True)
class Ended:
    """A run whose process has ended."""

    run: PlannedRun
    exit_code: int
    """0 when it is finished; negative: the signal that ended it."""
    seconds: float
    """That the process took."""


class JobListener:
    """Hears how a sweep's runs go. This one ignores it all."""

    def started(self, run: PlannedRun) -> None:
        """A run's process was started."""

    def ended(self, ended: Ended) -> None:
        """A run's process has ended, well or not."""

    def looked(self, active: Sequence[PlannedRun]) -> None:
        """Some time has passed; these runs are at work."""


@dataclass
class _Job:
    run: PlannedRun
    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.monotonic)


class Jobs:
    """Runs a sweep's runs in processes.

    Each process gets a pipe as its standard input, which ends when this process does, however that comes to pass; the
    worker then stops. So nothing goes on behind a killed sweep.

    Args:
        folder: the sweep's.
        command: what starts a worker; the results folder is added.
        jobs: how many at a time.
        guard: a file descriptor that workers keep open.
    """

    def __init__(self, folder: SweepFolder, command: Sequence[str], *, jobs: int, guard: int) -> None:
        self._folder, self._command, self._jobs, self._guard = folder, list(command), jobs, guard
        self._active: list[_Job] = []

    def work(self, runs: Iterable[PlannedRun], listener: JobListener) -> list[Ended]:
        """Run them all, in order; a run that fails does not keep the others from running.

        The next run is asked for when there is room for it, so that a search can look at those that have ended.

        When it is interrupted, processes are stopped before the exception goes on; all their runs can be resumed.
        """
        waiting, ended = iter(runs), list[Ended]()
        try:
            while self._fill(waiting, listener):
                for job in [job for job in self._active if job.process.poll() is not None]:
                    self._active.remove(job)
                    _close(job.process)
                    ended.append(Ended(job.run, job.process.returncode, time.monotonic() - job.began))
                    listener.ended(ended[-1])
                listener.looked([job.run for job in self._active])
                if self._active:
                    time.sleep(_LOOK)
        finally:
            self._stop()
        return ended

    def _fill(self, waiting: Iterator[PlannedRun], listener: JobListener) -> bool:
        """Start runs while there is room; returns whether any are at work."""
        while len(self._active) < self._jobs and (run := next(waiting, None)) is not None:
            self._start(run, listener)
        return bool(self._active)

    def _start(self, run: PlannedRun, listener: JobListener) -> None:
        folder, threads = self._folder.prepare(run), str(run.recipe.threads)
        with self._folder.log(run).open("ab") as log:
            process = subprocess.Popen(
                [*self._command, str(folder.path)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
                pass_fds=(self._guard,),
                start_new_session=True,  # Ctrl-C is the sweep's; it passes it on
            )
        self._active.append(_Job(run, process))
        listener.started(run)

    def _stop(self) -> None:
        """End what is still at work: each worker stops when its input ends, and is killed if it does not."""
        for job in self._active:
            _close(job.process)
        limit = time.monotonic() + _PATIENCE
        for job in self._active:
            try:
                job.process.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                job.process.kill()
                job.process.wait()
        self._active.clear()


def _close(process: subprocess.Popen[bytes]) -> None:
    with suppress(BrokenPipeError):
        cast(BufferedWriter, process.stdin).close()
