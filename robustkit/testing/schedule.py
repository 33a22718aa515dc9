"""What the engine expects of schedules."""

from __future__ import annotations

import math

from robustkit.components.schedule import Schedule
from robustkit.testing.component import ComponentSuite


class ScheduleSuite(ComponentSuite):
    """Checks a schedule over a run of `epochs`, at every tenth of an epoch."""

    kind = "schedule"
    schedule: Schedule
    epochs: int = 10

    def test_has_a_value_at_every_moment(self) -> None:
        """Every value is a finite number."""
        for epoch in self._moments():
            value = self.schedule(epoch, self.epochs)
            finite = isinstance(value, float | int) and math.isfinite(value)
            assert finite, f"expected a finite number at epoch {epoch:g}, got {value!r}."

    def test_keeps_no_state(self) -> None:
        """A value depends on the moment alone: asked backwards, it is the same."""
        forwards = [self.schedule(epoch, self.epochs) for epoch in self._moments()]
        backwards = [self.schedule(epoch, self.epochs) for epoch in reversed(self._moments())]
        assert forwards == backwards[::-1], "values depend on what was asked before."

    def test_stays_between_its_extremes(self) -> None:
        """No value is outside the range of `extremes`, by which recipes are checked before a run."""
        extremes = self.schedule.extremes()
        assert extremes, "extremes must name at least one value."
        low, high = min(extremes), max(extremes)
        room = 1e-9 * max(abs(low), abs(high))
        for epoch in self._moments():
            value = self.schedule(epoch, self.epochs)
            assert low - room <= value <= high + room, f"{value:g} at epoch {epoch:g}, but extremes are {extremes}."

    def test_describes_itself(self) -> None:
        """`last_epoch` is a number of 0 or more, `per_batch` True or False."""
        assert self.schedule.last_epoch >= 0, f"last_epoch is {self.schedule.last_epoch!r}."
        assert isinstance(self.schedule.per_batch, bool), f"per_batch is {self.schedule.per_batch!r}."

    def _moments(self) -> list[float]:
        return [tenth / 10 for tenth in range(10 * self.epochs + 1)]
