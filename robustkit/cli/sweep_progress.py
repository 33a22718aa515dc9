"""How a sweep's progress is shown: a line for each run that ends, and on a terminal a bar below them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Display
from rich.table import Column

from robustkit.cli.kinds import counted
from robustkit.cli.progress import duration
from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.jobs import Ended, JobListener
from robustkit.engine.sweep.plan import PlannedRun

_SECONDS = 1.0  # between two looks at how far the runs at work are
_TRAINING = 0.9  # share of a run that its epochs are taken for; the rest is the final measuring


class SweepProgress(JobListener):
    """Counts what is done, and tells how long the rest will take; shows nothing itself.

    Args:
        folder: the sweep's.
        total: all runs.
        waiting: those that are still to be run, as far as they are known.
        kept: how many are finished; by default, all that do not wait.
        figures: what to show of a run that has ended well; by default, its accuracies on the test examples.
    """

    def __init__(
        self,
        folder: SweepFolder,
        total: int,
        waiting: Sequence[PlannedRun],
        *,
        kept: int | None = None,
        figures: Callable[[PlannedRun], str] | None = None,
    ) -> None:
        self.folder, self.total = folder, total
        self.kept = total - len(waiting) if kept is None else kept
        self._figures = figures or self._test_figures
        self.failed: list[Ended] = []
        self._ended, self._began, self._active = 0, time.monotonic(), list[PlannedRun]()
        self._at_first = {run.name: self._share(run) for run in waiting}
        self._work = self.total - self.kept - sum(self._at_first.values())
        self._done = 0.0

    def __enter__(self) -> SweepProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the screen as it should stay."""

    def ended(self, ended: Ended) -> None:
        """Say how it went."""
        self._ended += 1
        self._active = [run for run in self._active if run is not ended.run]
        self._done += 1.0 - self._at_first.get(ended.run.name, 0.0)
        place = f"{self.kept + self._ended:>{len(str(self.total))}}/{self.total}"
        left = self.seconds_left()
        times = f"{duration(ended.seconds)}{f', {duration(left)} left' if left else ''}"
        if ended.exit_code == 0:
            return self.say(f"{place} {ended.run.name}  {self._figures(ended.run)}  {times}")
        self.failed.append(ended)
        return self.say(f"{place} {ended.run.name}  {self._failure(ended)}  {times}")

    def looked(self, active: Sequence[PlannedRun]) -> None:
        """Note what is at work."""
        self._active = list(active)

    def seconds_left(self) -> float | None:
        """At the pace so far; None before there is one, and at the end."""
        done = self.done()
        elapsed = time.monotonic() - self._began
        return elapsed / done * (self._work - done) if done > 0 and self._work - done > 1e-6 else None

    def done(self) -> float:
        """In runs, of those that were to be run; parts of those at work are counted."""
        return self._done + sum(max(0.0, self._share(run) - self._at_first.get(run.name, 0.0)) for run in self._active)

    def say(self, text: str) -> None:
        """Show a line that stays; here, nowhere."""

    def _share(self, run: PlannedRun) -> float:
        return _TRAINING * min(1.0, self.folder.epochs_done(run) / run.recipe.epochs)

    def _test_figures(self, run: PlannedRun) -> str:
        folder = self.folder.run(run)
        found: Mapping[str, Mapping[str, Any]] = folder.read_json(folder.report)["networks"]["global"]
        shown = [part for part in found if part in ("natural", "worst-case")] if "worst-case" in found else list(found)
        return ", ".join(f"{part} {100 * found[part]['accuracy']:.1f} %" for part in shown)

    def _failure(self, ended: Ended) -> str:
        """Why a run failed, from the end of its log."""
        log = self.folder.log(ended.run)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = next((line for line in reversed(lines) if line.startswith("error: ")), "")
        code = ended.exit_code
        how = f"exit code {code}" if code > 0 else f"killed by {signal.Signals(-code).name}"
        return f"failed ({how}): {said.removeprefix('error: ')} Log: {log}"


class SweepLines(SweepProgress):
    """One line a run, to stdout, or to stderr if `err`."""

    def __init__(
        self, folder: SweepFolder, total: int, waiting: Sequence[PlannedRun], *, err: bool = False, **others: Any
    ) -> None:
        super().__init__(folder, total, waiting, **others)
        self._err = err

    def say(self, text: str) -> None:
        """Print the line."""
        click.echo(text, err=self._err)


class SweepBar(SweepProgress):
    """A bar of all runs, and above it a line for each that has ended; on stderr if `err`."""

    def __init__(
        self, folder: SweepFolder, total: int, waiting: Sequence[PlannedRun], *, err: bool = False, **others: Any
    ) -> None:
        super().__init__(folder, total, waiting, **others)
        self._display = Display(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[detail]}", style="dim", table_column=Column(overflow="ellipsis", no_wrap=True)),
            console=Console(stderr=err, highlight=False),
            refresh_per_second=4,
        )
        self._task = self._display.add_task("", total=total, completed=self.kept, left="", detail="")
        self._drawn = 0.0

    def __enter__(self) -> SweepBar:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing; the last state stays on the screen."""
        self._display.stop()

    def looked(self, active: Sequence[PlannedRun]) -> None:
        """Move the bar, once a second and at the end."""
        super().looked(active)
        now = time.monotonic()
        if active and now - self._drawn < _SECONDS:
            return
        self._drawn = now
        share = self.done() / self._work if self._work else 1.0
        left = self.seconds_left()
        self._display.update(
            self._task,
            description=f"{self.kept + self._ended} of {counted(self.total, 'run')}",
            completed=self.kept + share * (self.total - self.kept),
            left=f"{duration(left)} left" if left else "",
            detail=", ".join(f"{run.name} {self.folder.epochs_done(run)}/{run.recipe.epochs}" for run in active),
        )

    def say(self, text: str) -> None:
        """Print the line above the bar."""
        self._display.console.print(text, markup=False, soft_wrap=True)


def sweep_progress(
    folder: SweepFolder, total: int, waiting: Sequence[PlannedRun], *, quiet: bool, err: bool, **others: Any
) -> SweepProgress:
    """A bar on a terminal, lines elsewhere, nothing if `quiet`; on stderr if `err`. The others are `SweepProgress`'."""
    stream = sys.stderr if err else sys.stdout
    if quiet:
        return SweepProgress(folder, total, waiting, **others)
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return SweepBar(folder, total, waiting, err=err, **others)
    return SweepLines(folder, total, waiting, err=err, **others)
