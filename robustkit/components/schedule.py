"""Schedules: a rate that changes during a run. A number is allowed wherever a schedule is."""

from __future__ import annotations

import bisect
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

from robustkit.components.clock import Clock
from robustkit.components.component import Component
from robustkit.components.fields import number
from robustkit.errors import ComponentError, Problem


@dataclass(frozen=True)
class Schedule(Component):
    """A value for every moment of a run."""

    kind: ClassVar[str] = "schedule"
    form: ClassVar[str] = "{epoch: value, ...} or {use: NAME, ...}"

    @abstractmethod
    def __call__(self, epoch: float, epochs: int) -> float:
        """Return the value at `epoch` (1 in the first epoch, `epochs` in the last; fractions inside) of `epochs`."""

    @abstractmethod
    def extremes(self) -> tuple[float, ...]:
        """Values among which the smallest and the largest are, so that ranges can be checked before a run."""

    @property
    def last_epoch(self) -> float:
        """The last epoch the schedule speaks of; it must lie inside the run. 0 where it adapts to the run's length."""
        return 0.0

    @property
    def per_batch(self) -> bool:
        """Whether the value moves with every batch; otherwise it is fixed during an epoch."""
        return False

    @classmethod
    def shorthand(cls, value: Any) -> Component | None:
        """`{epoch: value, ...}` stands for straight lines between the points."""
        if not isinstance(value, Mapping) or "use" in value or not value:
            return None
        keys = [number(str(key)) for key in value]
        if None in keys:
            return None
        try:
            return Linear(points=dict(zip(keys, value.values(), strict=True)))  # type: ignore[arg-type]
        except ComponentError as error:  # nobody wrote `points`, so no problem's path may lead through it
            raise ComponentError("linear", [replace(p, path=p.path[1:]) for p in error.problems]) from None


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value throughout; a plain number stands for it."""

    name = "constant"

    value: float
    """The value in every epoch."""

    def __call__(self, epoch: float, epochs: int) -> float:
        """The value."""
        return self.value

    def extremes(self) -> tuple[float, ...]:
        """The value."""
        return (self.value,)


@dataclass(frozen=True)
class Linear(Schedule):
    """Straight lines between `{epoch: value}` points, flat before the first and after the last."""

    name = "linear"

    points: Mapping[float, float]
    """Epoch to value; epochs count from 1, and 0 is the moment before the first."""
    every_batch: bool = False
    """Move with every batch instead of holding the value of an epoch's number during that epoch."""

    def problems(self) -> Iterable[Problem]:
        """Points must exist and lie at epoch 0 or later."""
        if not self.points:
            yield Problem(("points",), "expected at least one `epoch: value` point, got none.")
        for epoch in self.points:
            if epoch < 0:
                yield Problem(("points", epoch), f"expected an epoch of 0 or more, got {epoch:g}.", on_key=True)

    def __call__(self, epoch: float, epochs: int) -> float:
        """The value on the line between the two points around `epoch`; exact at the points."""
        known = sorted(self.points)
        after = bisect.bisect_left(known, epoch)
        if after == len(known) or known[after] == epoch or after == 0:
            return self.points[known[min(after, len(known) - 1)]]
        left, right = known[after - 1], known[after]
        start, end = self.points[left], self.points[right]
        return start + (end - start) * (epoch - left) / (right - left)

    def extremes(self) -> tuple[float, ...]:
        """The points' values."""
        return tuple(self.points.values())

    @property
    def last_epoch(self) -> float:
        """The last point's epoch."""
        return max(self.points)

    @property
    def per_batch(self) -> bool:
        """As `every_batch` says."""
        return self.every_batch


Rate: TypeAlias = float | Schedule
"""A number, or a schedule."""


def rate_at(rate: Rate, clock: Clock) -> float:
    """The rate's value now: by the epoch's number, or by the batch where the schedule asks for that."""
    if not isinstance(rate, Schedule):
        return rate
    return rate(clock.progress if rate.per_batch else clock.epoch, clock.epochs)
