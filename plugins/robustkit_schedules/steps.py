"""A value that drops at given epochs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from robustkit import Schedule
from robustkit.components.fields import Positive, PositiveInt
from robustkit.errors import Problem


@dataclass(frozen=True)
class Steps(Schedule):
    """A value that is multiplied by a factor at each milestone, and fixed between them.

    Epochs count from 1, and a milestone is the first epoch at the new value: with `milestones: [75, 90]` epochs 1 to 74
    are at `start`. torch's MultiStepLR counts the epochs done instead: its 74 is 75 here.
    """

    name = "steps"

    start: float
    """The value before the first milestone."""
    milestones: tuple[PositiveInt, ...]
    """The first epoch of each new value, in rising order, counted from 1."""
    factor: Positive = 0.1
    """What the value is multiplied by at each milestone."""

    def problems(self) -> Iterable[Problem]:
        """There must be milestones, in rising order."""
        if not self.milestones:
            yield Problem(("milestones",), "expected at least one epoch, got none. A plain number stays the same.")
        for number, (epoch, following) in enumerate(zip(self.milestones, self.milestones[1:], strict=False), 1):
            if following <= epoch:
                yield Problem(("milestones", number), f"expected an epoch after {epoch}, got {following}.")

    def __call__(self, epoch: float, epochs: int) -> float:
        """`start` times `factor` for each milestone reached."""
        return self._after(sum(milestone <= epoch for milestone in self.milestones))

    def extremes(self) -> tuple[float, ...]:
        """The first value and the last."""
        return self.start, self._after(len(self.milestones))

    @property
    def last_epoch(self) -> float:
        """The last milestone."""
        return self.milestones[-1]

    def _after(self, reached: int) -> float:
        return self.start * self.factor**reached
