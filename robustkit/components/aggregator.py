"""Aggregators: how the learners' weights become the global learner's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from robustkit.components.bench import Bench
from robustkit.components.clock import Clock
from robustkit.components.component import Component
from robustkit.components.weights import LearnerWeights, Weights
from robustkit.errors import Problem

Need: TypeAlias = Literal["validation examples", "initial weights"]


@dataclass(frozen=True)
class Aggregator(Component):
    """Arithmetic on named tensors and a clock; it keeps no state, so a resumed run needs nothing special from it.

    Most aggregators are `update` alone. One that must measure before it merges does so in `settle`.
    """

    kind: ClassVar[str] = "aggregator"

    @abstractmethod
    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Change `merged`, the global learner's weights, in place; called after every batch.

        Args:
            clock: after the batch, so `clock.batch` is at least 1.
            merged: starts as a copy of the learners' common initial weights.
            learners: what each learner offers, by its name in the recipe; not to be changed.
        """

    @property
    def needs(self) -> frozenset[Need]:
        """What `settle` uses of its bench, so that a run which lacks it is refused before it starts."""
        return frozenset()

    def settles(self, clock: Clock) -> bool:
        """Whether `settle` merges now. Asked after every batch, past `update` and before `redistributes`."""
        return False

    def settle(
        self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights], bench: Bench
    ) -> Mapping[str, Any]:
        """Change `merged` in place, after a look at how weights do on held-out images.

        Args:
            clock: as for `update`.
            merged: as `update` left it.
            learners: as for `update`.
            bench: measures weights; its `found` is what this method returned last.

        Returns:
            What was found (which shares, how good), as JSON can hold it. It is the only thing that is kept: a run's
            metrics.jsonl and report show it, and the next call finds it in `bench.found`, also in a resumed run.
        """
        return {}

    def redistributes(self, clock: Clock) -> bool:
        """Whether every learner now goes on from `merged`.

        Asked before the first batch of each epoch (`clock.batch == 0`) and after every batch, past `update`.
        """
        return False

    @property
    def resets_optimizers(self) -> bool:
        """Whether redistribution also forgets the optimizers' state (momentum)."""
        return False

    def recomputes_batch_norm(self, clock: Clock) -> bool:
        """Whether BatchNorm statistics of `merged` are recomputed from training images before they are next used.

        Where this is true at some moment, `update` should leave those statistics alone.
        """
        return False

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """What is wrong with using this aggregator for these learners in a run of so many epochs."""
        return ()
