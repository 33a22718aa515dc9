"""Dealing the merged weights out again, for any aggregator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from robustkit import Aggregator, Bench, Clock, LearnerWeights, Weights
from robustkit.components.aggregator import Need
from robustkit.components.fields import PositiveInt
from robustkit.errors import Problem
from robustkit_averaging.mixing import at_the_end
from robustkit_averaging.uniform import late_start


@dataclass(frozen=True)
class Redistribute(Aggregator):
    """Another aggregator, whose merged weights all learners go on from at the ends of some epochs.

    The periodic redistribution of Generalist (Wang and Wang, CVPR 2023) around any way to merge. Learners' moving
    averages are not overwritten.
    """

    name = "redistribute"

    merge: Aggregator
    """How the weights are merged."""
    start_epoch: PositiveInt = 1
    """The first epoch after which learners may be dealt the merged weights, from 1."""
    every_epochs: PositiveInt = 5
    """From `start_epoch` on, the epochs whose number is a multiple of this deal out."""
    optimizer_state: Literal["keep", "reset"] = "keep"
    """What becomes of the optimizers' state (momentum) when learners are dealt the merged weights."""

    @property
    def needs(self) -> frozenset[Need]:
        """What the inner aggregator needs."""
        return self.merge.needs

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """As the inner aggregator."""
        self.merge.update(clock, merged, learners)

    def settles(self, clock: Clock) -> bool:
        """As the inner aggregator."""
        return self.merge.settles(clock)

    def settle(
        self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights], bench: Bench
    ) -> Mapping[str, Any]:
        """As the inner aggregator."""
        return self.merge.settle(clock, merged, learners, bench)

    def redistributes(self, clock: Clock) -> bool:
        """At the end of an epoch that `start_epoch` and `every_epochs` name."""
        return at_the_end(clock) and clock.epoch >= self.start_epoch and clock.epoch % self.every_epochs == 0

    @property
    def resets_optimizers(self) -> bool:
        """As `optimizer_state` says."""
        return self.optimizer_state == "reset"

    def recomputes_batch_norm(self, clock: Clock) -> bool:
        """As the inner aggregator."""
        return self.merge.recomputes_batch_norm(clock)

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """A start past the end of the run, an inner aggregator that deals out by itself, and what that one finds."""
        yield from late_start(self.start_epoch, epochs)
        yield from (problem.below(("merge",)) for problem in self.merge.problems_in_run(learners, epochs))
        clocks = (Clock(epochs, 2, epoch, batch) for epoch in range(1, epochs + 1) for batch in range(3))
        if any(self.merge.redistributes(clock) for clock in clocks):
            yield Problem(("merge",), f"{self.merge.name!r} deals out by itself: use it without 'redistribute'.")
