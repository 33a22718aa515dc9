"""Up to a peak, and down again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from robustkit import Schedule
from robustkit.components.fields import Share
from robustkit_schedules.cosine import cosine_between, share_done


@dataclass(frozen=True)
class OneCycle(Schedule):
    """From a low value up to `peak` and down to a lower one. It spans the run, whatever its length.

    Smith and Topin: Super-Convergence, 2019 (arXiv 1708.07120). Defaults and cosine shape are those of torch's
    OneCycleLR, which reaches its end at the last batch, this one just after it.
    """

    name = "one-cycle"

    peak: float
    """The highest value."""
    start: Share = 0.04
    """The value at the start of the run, as a share of `peak`."""
    end: Share = 4e-6
    """The value that the end of the run reaches, as a share of `peak`."""
    peak_at: Share = 0.3
    """Where the peak is, as a share of the run."""
    shape: Literal["cosine", "linear"] = "cosine"
    """What leads up and down: half a cosine wave each, or straight lines."""
    every_batch: bool = True
    """Move with every batch instead of holding the value of an epoch's start during that epoch."""

    def __call__(self, epoch: float, epochs: int) -> float:
        """The value on the way up or down; exactly `peak` at `peak_at`."""
        between: Callable[[float, float, float], float] = cosine_between if self.shape == "cosine" else _line_between
        done = share_done(epoch, epochs, self.every_batch)
        if done < self.peak_at:
            return between(self.start * self.peak, self.peak, done / self.peak_at)
        down = (done - self.peak_at) / (1 - self.peak_at) if self.peak_at < 1 else 0.0
        return between(self.peak, self.end * self.peak, down)

    def extremes(self) -> tuple[float, ...]:
        """Start, peak and end."""
        return self.start * self.peak, self.peak, self.end * self.peak

    @property
    def per_batch(self) -> bool:
        """As `every_batch` says."""
        return self.every_batch


def _line_between(start: float, end: float, share: float) -> float:
    return start * (1 - share) + end * share
