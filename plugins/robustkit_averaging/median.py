"""The coordinate-wise median."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from robustkit import Aggregator, Clock, LearnerWeights, Weights
from robustkit.components.weights import floating
from robustkit_averaging.mixing import Statistics, at_the_end, copy_counters, to_merge


@dataclass(frozen=True)
class CoordinateMedian(Aggregator):
    """At each epoch's end, the median over learners of every single weight; for an even number the middle two's mean.

    Yin, Chen, Kannan, Bartlett: Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates, ICML 2018,
    take this median of gradients; here it is of weights. Integer tensors are the first learner's.
    """

    name = "coordinate-median"

    batch_norm: Statistics = "recompute"
    """BatchNorm's running statistics: `recompute` them from training images; `average` takes their median, too."""

    @torch.no_grad()
    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Take the median at the end of the epoch."""
        if not at_the_end(clock):
            return
        merged = to_merge(merged, self.batch_norm)
        copy_counters(merged, learners)
        last = len(learners) - 1
        for name in floating(merged):
            ordered = torch.stack([learner[name] for learner in learners.values()]).sort(0).values
            torch.lerp(ordered[last // 2], ordered[(last + 1) // 2], 0.5, out=merged[name])

    def recomputes_batch_norm(self, clock: Clock) -> bool:
        """At the ends of epochs, as `batch_norm` says."""
        return self.batch_norm == "recompute" and at_the_end(clock)
