"""Uniform averages of the weights that training passes through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from robustkit import Aggregator, Clock, LearnerWeights, Weights
from robustkit.components.fields import PositiveInt
from robustkit.components.weights import batch_norm_statistics, mix_
from robustkit.errors import Problem


@dataclass(frozen=True)
class WA(Aggregator):
    """The arithmetic mean of the weights after every batch since `start_epoch`, each the mean over the learners.

    BatchNorm's running statistics are averaged as weights are. A learner's moving average is taken where it keeps one.
    Before `start_epoch` the merged weights follow the learners' mean.
    """

    name = "wa"

    start_epoch: PositiveInt = 1
    """The first epoch whose batches count, from 1."""

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Take the learners' mean into the average; the first of its batches starts it."""
        earlier = max(0, clock.step - (self.start_epoch - 1) * clock.batches - 1)
        join(merged, learners, earlier)

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """A start past the end of the run."""
        yield from late_start(self.start_epoch, epochs)


@dataclass(frozen=True)
class SWA(Aggregator):
    """The arithmetic mean of the weights at the ends of some epochs, each the mean over the learners.

    Izmailov, Podoprikhin, Garipov, Vetrov, Wilson: Averaging Weights Leads to Wider Optima and Better Generalization,
    UAI 2018. BatchNorm's running statistics of the average are recomputed from training images. A learner's
    moving average is taken where it keeps one. Before the first snapshot the merged weights follow the learners' mean.
    """

    name = "swa"

    start_epoch: PositiveInt = 1
    """The epoch whose end gives the first snapshot, from 1."""
    every_epochs: PositiveInt = 1
    """Epochs from one snapshot to the next (c in the paper, where it counts batches)."""

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Follow the learners before the first snapshot; then take a snapshot in where one is due."""
        if clock.progress < self.start_epoch:
            join(merged, learners, 0)
        elif clock.batch == clock.batches and (clock.epoch - self.start_epoch) % self.every_epochs == 0:
            statistics = batch_norm_statistics(merged)
            averaged = {name: tensor for name, tensor in merged.items() if name not in statistics}
            join(averaged, learners, (clock.epoch - self.start_epoch) // self.every_epochs)

    def recomputes_batch_norm(self, clock: Clock) -> bool:
        """At the ends of epochs, from the first snapshot on."""
        return clock.epoch >= self.start_epoch and clock.batch == clock.batches

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """A start past the end of the run."""
        yield from late_start(self.start_epoch, epochs)


def join(merged: Weights, learners: Mapping[str, LearnerWeights], earlier: int) -> None:
    """Take the learners' mean into a mean of so many earlier ones; with 0 earlier ones `merged` becomes that mean."""
    share = 1.0 / (len(learners) * (earlier + 1))
    mix_(merged, [(learner, share) for learner in learners.values()], keep=earlier / (earlier + 1))


def late_start(start_epoch: int, epochs: int) -> Iterable[Problem]:
    """A start past the end of the run."""
    if start_epoch > epochs:
        yield Problem(("start_epoch",), f"expected an epoch of this run, 1 to {epochs}, got {start_epoch}.")
