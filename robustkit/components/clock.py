"""What time it is in a run: told to schedules and aggregators, so that they need no state of their own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Epochs count from 1, as in the method's pseudo-code; batches and steps count those already done."""

    epochs: int
    """Length of the run."""
    batches: int
    """Batches in an epoch."""
    epoch: int = 1
    """The current epoch, 1 to `epochs`."""
    batch: int = 0
    """Batches of this epoch already done, 0 (before the first) to `batches` (after the last)."""

    @property
    def step(self) -> int:
        """Batches done since the start of the run."""
        return (self.epoch - 1) * self.batches + self.batch

    @property
    def progress(self) -> float:
        """Epochs done, with fractions; after the last batch of epoch e it is e."""
        return self.epoch - 1 + self.batch / self.batches

    def start_epoch(self, epoch: int) -> None:
        """Go to the moment before the first batch of an epoch."""
        self.epoch, self.batch = epoch, 0

    def tick(self) -> None:
        """One more batch is done by every learner."""
        self.batch += 1
