"""Interleaved rounds: contestants take turns, so that whatever else the machine does meets all of them alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch

Contestant = Callable[[], float]
"""Does its work once and returns the seconds that took."""


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        low, median, high = (float(value) for value in numpy.quantile(values, (0.25, 0.5, 0.75)))
        return cls(median, low, high)

    def times(self) -> str:
        """A ratio, to be read: `1.52 (1.50-1.55)`."""
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"

    def percent(self) -> str:
        """A share, to be read: `1.4 % (1.1-1.8)`."""
        return f"{100 * self.median:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"


def interleaved(contestants: Mapping[str, Contestant], rounds: int) -> dict[str, list[float]]:
    """Every contestant's seconds, one figure a round; who begins moves on by one from round to round."""
    names = list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(contestants[name]())
            said(f"  round {number + 1} of {rounds}: {name} {seconds[name][-1]:.3f} s")
    return seconds


def ratios(slower: Sequence[float], faster: Sequence[float]) -> Spread:
    """How many times faster, round by round."""
    return Spread.of([slow / fast for slow, fast in zip(slower, faster, strict=True)])


def timed(work: Callable[[], Any], device: torch.device | None = None) -> Contestant:
    """A contestant that does this work, on a device that is waited for."""

    def contestant() -> float:
        wait_for(device)
        started = time.perf_counter()
        work()
        wait_for(device)
        return time.perf_counter() - started

    return contestant


def wait_for(device: torch.device | None) -> None:
    """Until a GPU has done what it was asked; a CPU always has."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)


def said(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(text, file=sys.stderr, flush=True)
