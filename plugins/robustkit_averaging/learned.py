"""A mix that is found by trying."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Le

from robustkit import Aggregator, Attack, Bench, Clock, LearnerWeights, Weights
from robustkit.components.aggregator import Need
from robustkit.components.fields import PositiveInt, Share
from robustkit.components.weights import mix_
from robustkit_averaging.judging import Verdict, judged
from robustkit_averaging.mixing import Statistics, at_the_end, due, equal_shares, lacking, to_merge


@dataclass(frozen=True)
class LearnedMix(Aggregator):
    """At the ends of epochs, the mix of the learners that does best on the validation split.

    Every mix of a grid is measured, and the best stays until the next search. Where several are equally good, it is
    the one nearest to their middle. One number says what best means: how much robust accuracy counts beside natural
    accuracy. Ours; it puts a search in the place of the schedule that Generalist's mix follows (Wang and Wang, CVPR
    2023). A learner's moving average is taken where it keeps one.
    """

    name = "learned-mix"

    attack: Attack
    """What robust accuracy is measured with."""
    robust_weight: Share = 0.5
    """The score is (1 - robust_weight) * natural + robust_weight * robust accuracy."""
    grid: Annotated[int, Ge(2), Le(101)] = 11
    """Shares tried of each learner, evenly from 0 to 1: 11 mixes of two learners, 66 of three."""
    every_epochs: PositiveInt = 1
    """Search at the end of every so many epochs, and of the last; between them the shares stay."""
    start_epoch: PositiveInt = 1
    """The first epoch with a search, from 1; all shares are equal before."""
    batch_norm: Statistics = "average"
    """BatchNorm's running statistics: `average` them as weights, or `recompute` them from training images, also for
    each mix that is tried."""

    @property
    def needs(self) -> frozenset[Need]:
        """Held-out images."""
        return frozenset({"validation examples"})

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """The mean of the learners at the ends of epochs before the first search."""
        if at_the_end(clock) and not self.settles(clock):
            self._merge(merged, learners, equal_shares(list(learners)))

    def settles(self, clock: Clock) -> bool:
        """At the ends of epochs, from `start_epoch` on."""
        return at_the_end(clock) and clock.epoch >= self.start_epoch

    def settle(
        self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights], bench: Bench
    ) -> Mapping[str, Any]:
        """Search, or keep to the shares found last; returns them and how good their mix is."""
        found = bench.found
        if due(clock, self.every_epochs) or lacking(found, learners):
            found = {"found_in_epoch": clock.epoch, **self._best(learners, bench)}
        self._merge(merged, learners, found["shares"])
        return found

    def _best(self, learners: Mapping[str, LearnerWeights], bench: Bench) -> dict[str, Any]:
        points = list(simplex(len(learners), self.grid - 1))
        tried = [self._tried(dict(zip(learners, point, strict=True)), learners, bench) for point in points]
        highest = max(verdict["score"] for _, verdict in tried)
        best = [place for place, (_, verdict) in enumerate(tried) if verdict["score"] == highest]
        shares, verdict = tried[best[nearest_to_their_middle([points[place] for place in best])]]
        return {"shares": shares, **verdict}

    def _tried(
        self, parts: Mapping[str, int], learners: Mapping[str, LearnerWeights], bench: Bench
    ) -> tuple[dict[str, float], Verdict]:
        shares = {name: part / (self.grid - 1) for name, part in parts.items()}
        how: dict[str, Any] = {"attack": self.attack, "robust_weight": self.robust_weight}
        return shares, judged(bench, learners, shares, batch_norm=self.batch_norm, **how)

    def _merge(self, merged: Weights, learners: Mapping[str, LearnerWeights], shares: Mapping[str, float]) -> None:
        mix_(to_merge(merged, self.batch_norm), [(learners[name], share) for name, share in shares.items()])

    def recomputes_batch_norm(self, clock: Clock) -> bool:
        """At the ends of epochs, as `batch_norm` says."""
        return self.batch_norm == "recompute" and at_the_end(clock)


def simplex(parts: int, total: int) -> Iterator[tuple[int, ...]]:
    """Every way to write `total` as a sum of so many whole numbers, the first from 0 up."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in simplex(parts - 1, total - first):
            yield (first, *rest)


def nearest_to_their_middle(points: list[tuple[int, ...]]) -> int:
    """The place of the point nearest to the mean of all; the first of equally near ones. Exact, in whole numbers."""
    sums = [sum(column) for column in zip(*points, strict=True)]
    distances = [
        math.fsum((len(points) * part - total) ** 2 for part, total in zip(point, sums, strict=True))
        for point in points
    ]
    return distances.index(min(distances))
