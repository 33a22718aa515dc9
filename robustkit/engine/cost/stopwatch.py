"""Where time goes: any figure that grows, divided among the phases of a run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

import torch

from robustkit.components.phases import Phase, Watch

Amounts: TypeAlias = Mapping[Phase, float]
"""Seconds, operations or the like, by phase."""


class Meter:
    """A watch that gives what a reading grows by to the innermost phase; all within `evaluation` is evaluation's.

    Args:
        read: the present reading, which never falls.
    """

    def __init__(self, read: Callable[[], float]) -> None:
        self._read, self._last = read, read()
        self._open: list[Phase] = []
        self._amounts: defaultdict[Phase, float] = defaultdict(float)

    @property
    def current(self) -> Phase:
        """The phase that growth now belongs to; `other` outside all."""
        if "evaluation" in self._open:
            return "evaluation"
        return self._open[-1] if self._open else "other"

    def begin(self, phase: Phase) -> None:
        """The phase begins; the one around it pauses."""
        self._account()
        self._open.append(phase)

    def end(self) -> None:
        """The phase that began last ends; the one around it goes on."""
        self._account()
        self._open.pop()

    def taken(self) -> Amounts:
        """What every phase got since the last call, and none of those that got nothing."""
        self._account()
        amounts, self._amounts = self._amounts, defaultdict(float)
        return {phase: amount for phase, amount in amounts.items() if amount}

    def _account(self) -> None:
        now = self._read()
        self._amounts[self.current] += now - self._last
        self._last = now


class Watches:
    """A watch that tells others, which may come and go where no phase is open."""

    def __init__(self, *watches: Watch) -> None:
        self._told = list(watches)

    def begin(self, phase: Phase) -> None:
        """The phase begins."""
        for watch in self._told:
            watch.begin(phase)

    def end(self) -> None:
        """The phase that began last ends."""
        for watch in self._told:
            watch.end()

    @contextmanager
    def telling(self, watch: Watch) -> Iterator[None]:
        """Within it, this one is told, too."""
        self._told.append(watch)
        try:
            yield
        finally:
            self._told.remove(watch)


def added(amounts: Amounts, more: Amounts) -> Amounts:
    """The sums of both."""
    return {phase: amounts.get(phase, 0.0) + more.get(phase, 0.0) for phase in {**amounts, **more}}


def stopwatch(device: torch.device) -> Meter:
    """A meter of seconds. On a GPU it waits for the device at each phase's edges, which takes time of its own."""

    def waited() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return Meter(waited if device.type == "cuda" else time.perf_counter)
