"""Progress on a terminal: one bar for the whole training, one for the final evaluation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Display
from rich.table import Column

from robustkit.cli.progress import Progress, duration, epoch_text, opening, validation_text

if TYPE_CHECKING:
    from robustkit.engine.listener import Watched

_SECONDS = 0.5  # between two looks at the losses: each of them waits for the device
_BATCHES = 20  # over which a shown loss is averaged


class Bars(Progress):
    """Bars that say how far, how fast and how long still, and a line for each epoch that was measured.

    Args:
        err: draw on stderr instead of stdout.
    """

    def __init__(self, *, err: bool = False) -> None:
        super().__init__()
        console = Console(stderr=err, highlight=False)
        self._display = Display(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=24 if console.width >= 110 else 10),
            TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True, min_width=len("59:59 min left"))),
            TextColumn("{task.fields[detail]}", style="dim", table_column=Column(overflow="fold")),
            console=console,
            refresh_per_second=4,
        )
        self._task: TaskID | None = None
        self._drawn = 0.0
        self._parts: list[tuple[str, str]] = []

    def __enter__(self) -> Bars:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing; the last state stays on the screen."""
        self._display.stop()

    def started(self, run: Watched) -> None:
        """Say what runs, and draw the bar of the training that is left."""
        self._print(opening(run))
        if run.progress.epoch < run.recipe.epochs:
            self._new_bar(epoch_text(run), run.clock.epochs * run.clock.batches)
            self._update(completed=run.progress.epoch * run.clock.batches)
        super().started(run)

    def batch_ended(self, run: Watched) -> None:
        """Move the bar, at most twice a second."""
        now = time.monotonic()
        if now - self._drawn < _SECONDS:
            return
        losses = " ".join(
            f"{name} {float(torch.stack(learner.losses[-_BATCHES:]).mean()):.3f}"
            for name, learner in run.learners.items()
        )
        # The losses were waited for, so the pace is the device's and not that of its queue.
        pace = self.images_per_second(run)
        self._drawn = now
        self._update(
            description=epoch_text(run),
            completed=run.clock.step,
            left=_left(self.seconds_left(run)),
            detail=f"{f'{pace:,.0f} images/s  ' if pace else ''}loss {losses}",
        )

    def epoch_ended(self, run: Watched, metrics: Mapping[str, Any]) -> None:
        """A line that stays, where the epoch was measured."""
        text = validation_text(run, metrics)
        if text:
            self._print(f"{epoch_text(run)}  {text}")
        self._update(description=epoch_text(run), completed=run.clock.step)
        super().epoch_ended(run, metrics)

    def evaluation_started(self, networks: Sequence[str], attacks: Sequence[str]) -> None:
        """The training's bar gives way to that of the evaluation."""
        super().evaluation_started(networks, attacks)
        if self._task is not None:
            self._display.remove_task(self._task)
            self._print(f"trained in {duration(time.monotonic() - self._began)}")
        self._parts = [(network, part) for network in networks for part in attacks or ["natural"]]
        self._new_bar("evaluation", len(self._parts))
        self._began = time.monotonic()

    def measuring(self, network: str, part: str, done: int, total: int) -> None:
        """Move the evaluation's bar; while training, say what is measured."""
        if not self.evaluating:
            return self._update(detail=f"measuring {network}, {part}")
        if (network, part) not in self._parts:
            return None
        share = self._parts.index((network, part)) + (done / total if total else 1.0)
        left = (time.monotonic() - self._began) / share * (len(self._parts) - share) if share else None
        last = share >= len(self._parts)
        return self._update(
            completed=share,
            left="" if last else _left(left),
            detail="" if last else f"{network}, {part}: {done:,} of {total:,}",
        )

    def warned(self, text: str) -> None:
        """Print a warning above the bar."""
        self._print(f"warning: {text}")

    def _new_bar(self, description: str, total: int) -> None:
        self._task = self._display.add_task(description, total=total, left="", detail="")

    def _update(self, **changes: Any) -> None:
        if self._task is not None:
            self._display.update(self._task, **changes)

    def _print(self, text: str) -> None:
        self._display.console.print(text, markup=False, soft_wrap=True)


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"{duration(seconds)} left"
