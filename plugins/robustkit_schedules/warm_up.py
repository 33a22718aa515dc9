"""A gentle start for any other schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass

from robustkit import Rate, Schedule
from robustkit.components.fields import Positive


@dataclass(frozen=True)
class WarmUp(Schedule):
    """A straight line from `start`, batch by batch, to where another schedule is after `epochs` epochs, then that one.

    Goyal et al.: Accurate, Large Minibatch SGD, 2017 (arXiv 1706.02677), section 2.2. The other schedule keeps the
    run's own time: it is not delayed, and only its first `epochs` epochs are replaced.
    """

    name = "warm-up"

    epochs: Positive
    """How long the warm-up takes, in epochs, also in fractions of one."""
    then: Rate
    """What follows: a number or a schedule."""
    start: float = 0.0
    """The value at the first batch of the run."""

    def __call__(self, epoch: float, epochs: int) -> float:
        """The value on the line, or the other schedule's."""
        if epoch >= self.epochs:
            return self._then(epoch, epochs)
        share = epoch / self.epochs
        return self.start * (1 - share) + self._then(self.epochs, epochs) * share

    def extremes(self) -> tuple[float, ...]:
        """The start, and the other schedule's extremes."""
        return self.start, *(self.then.extremes() if isinstance(self.then, Schedule) else (self.then,))

    @property
    def last_epoch(self) -> float:
        """The end of the warm-up, or the other schedule's last epoch."""
        return max(self.epochs, self.then.last_epoch if isinstance(self.then, Schedule) else 0.0)

    @property
    def per_batch(self) -> bool:
        """Always: within the first epoch there is the most to gain."""
        return True

    def _then(self, progress: float, epochs: int) -> float:
        """The other schedule's value when so many epochs are done, or of the epoch that then begins."""
        if not isinstance(self.then, Schedule):
            return self.then
        return self.then(progress if self.then.per_batch else min(math.floor(progress) + 1, epochs), epochs)
