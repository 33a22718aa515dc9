"""Half a cosine wave."""

from __future__ import annotations

import math
from dataclasses import dataclass

from robustkit import Schedule


def share_done(epoch: float, epochs: int, every_batch: bool) -> float:
    """The share of the run that is done, 0 to 1: now, or (for a value that holds for an epoch) when the epoch began."""
    return min(max(epoch if every_batch else epoch - 1, 0.0) / epochs, 1.0)


def cosine_between(start: float, end: float, share: float) -> float:
    """The value at this share of half a cosine wave: exactly `start` at 0 and `end` at 1."""
    remaining = (1 + math.cos(math.pi * share)) / 2
    return start * remaining + end * (1 - remaining)


@dataclass(frozen=True)
class Cosine(Schedule):
    """From `start` to `end` along half a cosine wave: slow, fast, slow. It spans the run, whatever its length.

    Loshchilov and Hutter: SGDR, ICLR 2017, without restarts. The value is `start` at the first batch and would be `end`
    at the one after the last, so that no batch is spent at `end`. This is torch's CosineAnnealingLR with T_max the
    number of batches of the run or, with `every_batch: false`, of epochs.
    """

    name = "cosine"

    start: float
    """The value at the start of the run."""
    end: float = 0.0
    """The value that the end of the run reaches."""
    every_batch: bool = True
    """Move with every batch, as the paper does, instead of holding the value of an epoch's start during that epoch."""

    def __call__(self, epoch: float, epochs: int) -> float:
        """The value on the wave."""
        return cosine_between(self.start, self.end, share_done(epoch, epochs, self.every_batch))

    def extremes(self) -> tuple[float, ...]:
        """Start and end."""
        return self.start, self.end

    @property
    def per_batch(self) -> bool:
        """As `every_batch` says."""
        return self.every_batch
