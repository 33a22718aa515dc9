"""What a run does between its steps: checkpoints, kept weights, BatchNorm statistics made anew."""

from __future__ import annotations

import itertools
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from robustkit.components.clock import Clock
from robustkit.engine.batch_norm import recompute_batch_norm
from robustkit.engine.checkpoint import save_checkpoint
from robustkit.engine.run import Run

_BATCHES = 2  # of which BatchNorm statistics are recomputed, to see how long it takes


@dataclass(frozen=True)
class Bookkeeping:
    """Seconds, over the whole run."""

    checkpoints: float
    """Writing a checkpoint after every epoch."""
    batch_norm: float
    """Recomputing BatchNorm statistics from the training images, where the aggregator asks for it."""
    settlings: int = 0
    """How often the aggregator settles: measures on validation examples before it merges. What that takes is its own
    affair, may depend on what it finds, and is left out."""

    @property
    def seconds(self) -> float:
        """All of it but settling."""
        return self.checkpoints + self.batch_norm

    def plain(self) -> dict[str, float]:
        """As JSON holds it."""
        return {
            "checkpoint_seconds": self.checkpoints,
            "batch_norm_seconds": self.batch_norm,
            "settlings_left_out": self.settlings,
        }


def keep_books(run: Run) -> Bookkeeping:
    """Do each of it once, checkpoints in a temporary folder, and count how often it is due."""
    due = recomputations(run)
    batch_norm = due * _recomputation(run) if due else 0.0
    return Bookkeeping(run.recipe.epochs * _checkpoint(run), batch_norm, settlings(run))


def recomputations(run: Run) -> int:
    """How often BatchNorm statistics are recomputed: before they are dealt out, and before they are measured."""
    aggregator, evaluation = run.recipe.aggregator, run.recipe.evaluation
    clock, due = Clock(run.clock.epochs, run.clock.batches), 0
    for epoch in range(1, clock.epochs + 1):
        clock.start_epoch(epoch)
        for batch in range(clock.batches + 1):
            clock.batch = batch
            due += aggregator.redistributes(clock) and aggregator.recomputes_batch_norm(clock)
        measured = epoch % evaluation.every_epochs == 0 or epoch == clock.epochs
        due += measured and aggregator.recomputes_batch_norm(clock)
    return due


def settlings(run: Run) -> int:
    """How often the aggregator measures on validation examples before it merges."""
    clock, due = Clock(run.clock.epochs, run.clock.batches), 0
    for epoch in range(1, clock.epochs + 1):
        clock.start_epoch(epoch)
        for batch in range(1, clock.batches + 1):
            clock.batch = batch
            due += run.recipe.aggregator.settles(clock)
    return due


def _recomputation(run: Run) -> float:
    began = time.perf_counter()
    recompute_batch_norm(run.model, itertools.islice(run.data.plain_batches(), _BATCHES))
    return (time.perf_counter() - began) / min(_BATCHES, run.clock.batches) * run.clock.batches


def _checkpoint(run: Run) -> float:
    """Writing one, the second time."""
    with tempfile.TemporaryDirectory(prefix="robustkit-estimate-") as folder:
        for _ in range(2):
            began = time.perf_counter()
            save_checkpoint(Path(folder, run.folder.checkpoint.name), run.progress, run.merged, run.learners)
            took = time.perf_counter() - began
    return took
