"""How a run's progress is shown: what all ways have in common, and plain lines for files and pipes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from robustkit.cli.kinds import counted
from robustkit.cli.output import warn
from robustkit.engine.listener import Listener

if TYPE_CHECKING:
    from robustkit.engine.listener import Watched

_PLAIN_SECONDS = 60.0  # between two lines about one long attack


class Progress(Listener):
    """Knows the pace of a run and where it stands; shows nothing itself, which is what `--quiet` asks for."""

    def __init__(self) -> None:
        self.run: Watched | None = None
        self.evaluating = False
        self._began = self._epoch_began = 0.0
        self._first_step = self._first_of_epoch = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the screen as it should stay."""

    def started(self, run: Watched) -> None:
        """Training starts or goes on."""
        self.run, self._began = run, time.monotonic()
        self._first_step = run.progress.epoch * run.clock.batches
        self._new_epoch(self._first_step)
        self._end_training_when_due(run)

    def epoch_ended(self, run: Watched, metrics: Mapping[str, Any]) -> None:
        """An epoch is measured."""
        self._new_epoch(run.clock.step)
        self._end_training_when_due(run)

    def warned(self, text: str) -> None:
        """Print a warning."""
        warn(text)

    def evaluation_started(self, networks: Sequence[str], attacks: Sequence[str]) -> None:
        """The networks are measured on the test examples from here on."""
        self.evaluating = True

    def seconds_left(self, run: Watched) -> float | None:
        """Of training, at the pace so far, measurements included; None before there is a pace."""
        done = run.clock.step - self._first_step
        if done <= 0:
            return None
        total = run.clock.epochs * run.clock.batches
        return (time.monotonic() - self._began) / done * (total - run.clock.step)

    def images_per_second(self, run: Watched) -> float | None:
        """Of training in this epoch; None before its second batch."""
        steps, seconds = run.clock.step - self._first_of_epoch, time.monotonic() - self._epoch_began
        return steps * run.recipe.batch_size / seconds if steps > 0 and seconds > 0 else None

    def _new_epoch(self, step: int) -> None:
        self._epoch_began, self._first_of_epoch = time.monotonic(), step

    def _end_training_when_due(self, run: Watched) -> None:
        if run.progress.epoch == run.recipe.epochs:
            self.evaluation_started(["global", *run.learners], list(run.recipe.evaluation.final_attacks))


class Lines(Progress):
    """One line an epoch, and one for each network and attack of the final evaluation.

    Args:
        err: write to stderr instead of stdout.
    """

    def __init__(self, *, err: bool = False) -> None:
        super().__init__()
        self._attacks: Sequence[str] = ()
        self._err, self._said, self._part_began = err, time.monotonic(), time.monotonic()

    def started(self, run: Watched) -> None:
        """Say what runs and where it writes."""
        self._echo(opening(run))
        super().started(run)

    def epoch_ended(self, run: Watched, metrics: Mapping[str, Any]) -> None:
        """One line with losses, accuracies where they were measured, and what is left."""
        left = self.seconds_left(run)
        parts = [epoch_text(run), f"loss {losses_text(metrics)}", validation_text(run, metrics)]
        parts += [f"{metrics['images_per_second']:,.0f} images/s"]
        parts += [f"{duration(left)} left"] if left else []
        self._echo("  ".join(part for part in parts if part))
        super().epoch_ended(run, metrics)

    def evaluation_started(self, networks: Sequence[str], attacks: Sequence[str]) -> None:
        """Say so."""
        super().evaluation_started(networks, attacks)
        self._echo(f"evaluating {', '.join(networks)}")
        self._attacks, self._part_began = attacks, time.monotonic()

    def measuring(self, network: str, part: str, done: int, total: int) -> None:
        """A line when an attack is done, and now and then while it takes long."""
        now = time.monotonic()
        if part == "natural" and self._attacks:
            return
        if self.evaluating and done >= total:
            self._echo(f"  {network}, {part}: {counted(total, 'example')} in {duration(now - self._part_began)}")
            self._part_began = self._said = now
        elif self.evaluating and now - self._said > _PLAIN_SECONDS:
            self._echo(f"  {network}, {part}: {done:,} of {counted(total, 'example')}")
            self._said = now

    def _echo(self, text: str) -> None:
        click.echo(text, err=self._err)


def opening(run: Watched) -> str:
    """What runs, how long, where it writes, and from where it goes on."""
    recipe, clock = run.recipe, run.clock
    learners = f"{counted(len(run.learners), 'learner')} ({', '.join(run.learners)})"
    text = (
        f"{recipe.name}: {recipe.architecture.name} on {recipe.dataset.name}, {learners}, "
        f"{counted(clock.epochs, 'epoch')} of {counted(clock.batches, 'batch')} on {run.device}; "
        f"results in {run.folder.path}"
    )
    return f"{text}\ngoing on after epoch {run.progress.epoch}" if run.progress.epoch else text


def epoch_text(run: Watched) -> str:
    """`epoch  3/40`, as wide in the first epoch as in the last."""
    epochs = str(run.recipe.epochs)
    return f"epoch {run.clock.epoch:>{len(epochs)}}/{epochs}"


def losses_text(metrics: Mapping[str, Any]) -> str:
    """`natural 0.312 robust 1.204`: the learners' mean losses of an epoch."""
    return " ".join(f"{name} {found['loss']:.3f}" for name, found in metrics["learners"].items())


def validation_text(run: Watched, metrics: Mapping[str, Any]) -> str:
    """`validation natural/pgd-10: global 93.1/45.2 % ...`; empty where this epoch was not measured."""
    networks = {"global": metrics["global"], **metrics["learners"]}
    measured = {name: found["validation"] for name, found in networks.items() if "validation" in found}
    if not measured:
        return ""
    figures = [
        f"{name} {'/'.join(f'{100 * share:.1f}' for share in found.values())} %" for name, found in measured.items()
    ]
    best = " (best so far)" if run.progress.selected_epoch == run.clock.epoch and _selects(run) else ""
    return f"validation {'/'.join(measured['global'])}: {' '.join(figures)}{best}"


def _selects(run: Watched) -> bool:
    return run.recipe.evaluation.select_by != "last"


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3:20 min`, `1:02 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds) // 60
    return f"{minutes}:{round(seconds) % 60:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"
