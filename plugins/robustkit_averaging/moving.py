"""A moving average over training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from robustkit import Aggregator, Clock, LearnerWeights, Weights
from robustkit.components.fields import Decay, PositiveInt
from robustkit.components.weights import mix_, warmed_up
from robustkit.errors import Problem
from robustkit_averaging.uniform import join, late_start


@dataclass(frozen=True)
class EMA(Aggregator):
    """An exponential moving average, batch by batch, of the mean of the learners' weights.

    As Tarvainen, Valpola: Mean teachers are better role models, NIPS 2017, average one network's weights. BatchNorm's
    running statistics are averaged as weights are. A learner's moving average is taken where it keeps one. Before
    `start_epoch` the merged weights follow the learners' mean.
    """

    name = "ema"

    decay: Decay = 0.999
    """Share of the old average that stays at each batch."""
    warm_up: bool = True
    """Use min(decay, s / (s + 9)) at the s-th batch since the start, so that the beginning is soon forgotten."""
    start_epoch: PositiveInt = 1
    """The first epoch whose batches are averaged, from 1."""

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Move the average towards the learners' mean."""
        step = clock.step - (self.start_epoch - 1) * clock.batches
        if step <= 0:
            join(merged, learners, 0)
            return
        decay = warmed_up(self.decay, step) if self.warm_up else self.decay
        share = (1.0 - decay) / len(learners)
        mix_(merged, [(learner, share) for learner in learners.values()], keep=decay)

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """A start past the end of the run."""
        yield from late_start(self.start_epoch, epochs)
