"""Aggregators that merge nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from robustkit import Aggregator, Clock, LearnerWeights, Weights
from robustkit.components.weights import copy_
from robustkit.errors import Problem, did_you_mean, known


@dataclass(frozen=True)
class Single(Aggregator):
    """One learner; the global network is what it offers: its moving average where it keeps one, else its weights."""

    name = "single"

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Copy the learner."""
        (learner,) = learners.values()
        copy_(merged, learner)

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """More than one learner."""
        if len(learners) != 1:
            text = (
                f"expected one learner, got {len(learners)}: {', '.join(learners)}. To merge several use 'generalist', "
                "'wa' or 'swa'; to train several and deploy one of them use 'none'."
            )
            yield Problem((), text)


@dataclass(frozen=True)
class Unmerged(Aggregator):
    """Learners are trained side by side and never merged; the global network is what one of them offers."""

    name = "none"

    learner: str
    """The learner that is deployed: its moving average where it keeps one, else its weights."""

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Copy that learner."""
        copy_(merged, learners[self.learner])

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """A learner that does not exist."""
        if self.learner not in learners:
            text = f"there is no learner {self.learner!r}.{did_you_mean(self.learner, learners)} {known(learners)}"
            yield Problem(("learner",), text)
