"""Task arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from robustkit import Aggregator, Bench, Clock, LearnerWeights, Weights
from robustkit.components.aggregator import Need
from robustkit.components.weights import batch_norm_statistics, copy_, floating, mix_
from robustkit.errors import Problem
from robustkit_averaging.mixing import Statistics, at_the_end, copy_counters, unknown_learners


@dataclass(frozen=True)
class TaskArithmetic(Aggregator):
    """At each epoch's end, the initial weights plus each learner's way from them times its scale.

    Ilharco, Ribeiro, Wortsman, Gururangan, Schmidt, Hajishirzi, Farhadi: Editing Models with Task Arithmetic, ICLR
    2023: initial + sum(scale * (learner - initial)). A scale below 0 takes a task away. Made for learners that
    `start_from` one trained network. Integer tensors are the first learner's. A learner's moving average
    is taken where it keeps one.
    """

    name = "task-arithmetic"

    scale: float | Mapping[str, float]
    """What the ways are multiplied with: one number for all, or one for each learner by its name."""
    batch_norm: Statistics = "recompute"
    """BatchNorm's running statistics: `recompute` them from training images; `average` takes the learners' plain mean,
    as scaled ways could make a variance negative."""

    @property
    def needs(self) -> frozenset[Need]:
        """What the learners started from."""
        return frozenset({"initial weights"})

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Nothing: merging waits for the end of the epoch, where the initial weights are at hand."""

    def settles(self, clock: Clock) -> bool:
        """At the ends of epochs."""
        return at_the_end(clock)

    @torch.no_grad()
    def settle(
        self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights], bench: Bench
    ) -> Mapping[str, Any]:
        """Add the scaled ways up; nothing is found."""
        statistics = {name: merged[name] for name in batch_norm_statistics(merged)}
        moved = {name: merged[name] for name in floating(merged) if name not in statistics}
        copy_counters(merged, learners)
        copy_(moved, bench.initial)
        for name, scale in self._scales(list(learners)).items():
            ways = {key: learners[name][key] - bench.initial[key] for key in moved}
            mix_(moved, [(ways, scale)], keep=1.0)
        if self.batch_norm == "average" and statistics:
            mix_(statistics, [(learner, 1.0 / len(learners)) for learner in learners.values()])
        return {}

    def _scales(self, learners: Sequence[str]) -> Mapping[str, float]:
        return self.scale if isinstance(self.scale, Mapping) else dict.fromkeys(learners, self.scale)

    def recomputes_batch_norm(self, clock: Clock) -> bool:
        """At the ends of epochs, as `batch_norm` says."""
        return self.batch_norm == "recompute" and at_the_end(clock)

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """Scales that do not name each learner once."""
        scales = self._scales(learners)
        yield from unknown_learners(scales, learners, ("scale",))
        missing = [name for name in learners if name not in scales]
        if missing:
            yield Problem(("scale",), f"expected a scale for every learner; without one: {', '.join(missing)}.")
