"""Model soups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from robustkit import Aggregator, Attack, Bench, Clock, LearnerWeights, Weights
from robustkit.components.aggregator import Need
from robustkit.components.fields import PositiveInt, Share
from robustkit.components.weights import mix_
from robustkit_averaging.judging import Verdict, judged
from robustkit_averaging.mixing import Statistics, at_the_end, due, equal_shares, lacking, to_merge


@dataclass(frozen=True)
class Soup(Aggregator):
    """At the ends of epochs, the mean of all learners, or of those that make it better on the validation split.

    Wortsman, Ilharco, Gadre, Roelofs, Gontijo-Lopes, Morcos, Namkoong, Farhadi, Carmon, Kornblith, Schmidt: Model
    soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time, ICML
    2022. Greedy: learners are tried in the order of their own score, and each stays in the mean unless that gets
    worse. A learner's moving average is taken where it keeps one.
    """

    name = "soup"

    choice: Literal["greedy", "uniform"] = "greedy"
    """Which learners are averaged: those that do not make the mean worse, or all."""
    attack: Attack | None = None
    """What robust accuracy is measured with when learners are chosen; null to choose by natural accuracy."""
    robust_weight: Share = 0.5
    """The score is (1 - robust_weight) * natural + robust_weight * robust accuracy; without an attack, natural."""
    every_epochs: PositiveInt = 1
    """Choose anew at the end of every so many epochs, and of the last; between them the choice stays."""
    batch_norm: Statistics = "average"
    """BatchNorm's running statistics: `average` them as weights, or `recompute` them from training images, also for
    each mean that is tried."""

    @property
    def needs(self) -> frozenset[Need]:
        """Held-out images, to choose greedily."""
        return frozenset({"validation examples"}) if self.choice == "greedy" else frozenset()

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """The mean of all learners at the end of an epoch, from which a greedy choice may leave some out."""
        if at_the_end(clock):
            self._merge(merged, learners, equal_shares(list(learners)))

    def settles(self, clock: Clock) -> bool:
        """At the ends of epochs, where the choice is greedy."""
        return self.choice == "greedy" and at_the_end(clock)

    def settle(
        self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights], bench: Bench
    ) -> Mapping[str, Any]:
        """Choose who is averaged, or keep to the last choice; returns their shares and how good their mean is."""
        found = bench.found
        if due(clock, self.every_epochs) or lacking(found, learners):
            found = {"chosen_in_epoch": clock.epoch, **self._chosen(learners, bench)}
        self._merge(merged, learners, found["shares"])
        return found

    def _chosen(self, learners: Mapping[str, LearnerWeights], bench: Bench) -> dict[str, Any]:
        alone = {name: self._judged(bench, learners, [name]) for name in learners}
        order = sorted(learners, key=lambda name: -alone[name]["score"])  # equally good ones in the recipe's order
        members, verdict = order[:1], alone[order[0]]
        for name in order[1:]:
            tried = self._judged(bench, learners, [*members, name])
            if tried["score"] >= verdict["score"]:
                members, verdict = [*members, name], tried
        share = 1.0 / len(members)
        return {"shares": {name: share * (name in members) for name in learners}, **verdict}

    def _judged(self, bench: Bench, learners: Mapping[str, LearnerWeights], members: list[str]) -> Verdict:
        how: dict[str, Any] = {"attack": self.attack, "robust_weight": self.robust_weight}
        return judged(bench, learners, equal_shares(members), batch_norm=self.batch_norm, **how)

    def _merge(self, merged: Weights, learners: Mapping[str, LearnerWeights], shares: Mapping[str, float]) -> None:
        mix_(to_merge(merged, self.batch_norm), [(learners[name], share) for name, share in shares.items()])

    def recomputes_batch_norm(self, clock: Clock) -> bool:
        """At the ends of epochs, as `batch_norm` says."""
        return self.batch_norm == "recompute" and at_the_end(clock)
