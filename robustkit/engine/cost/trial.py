"""A run tried out: a few steps, as they would be in the middle of it, timed and counted. Afterwards it is spoilt."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import torch
from torch import Tensor

from robustkit.attacking.isolation import modes_restored
from robustkit.components.clock import Clock
from robustkit.components.phases import Phase, phase, watched
from robustkit.engine.cost.operations import counting
from robustkit.engine.cost.saved import SavedBytes
from robustkit.engine.cost.stopwatch import Amounts, Meter, Watches, added, stopwatch
from robustkit.engine.run import Run

FEW = 16
"""Images with which a trial begins, before it knows how fast the machine is."""
_GROWING: tuple[Phase, ...] = ("attack", "training passes")  # with the images used; all else costs the same


@dataclass(frozen=True)
class Trial:
    """What was found out."""

    seconds: Amounts
    """Of a step with a whole batch, by phase."""
    flops: Amounts
    """Floating-point operations of such a step, by phase."""
    steps: int
    """How many were timed."""
    images: int
    """Of the batch, used in each of them."""
    compilation: float
    """Seconds that compiling took, beyond a step's own; 0 where nothing is compiled."""
    activations: int
    """Bytes that one training pass of a whole batch keeps for its way back, of the learner that keeps most."""


def try_steps(run: Run, seconds: float) -> Trial:
    """Time steps for about so many seconds, after some that warm up: at least two, of as many images as that allows.

    They stand at moments spread over the whole run. Labels are what the network predicts, so that attacks which leave
    alone what is wrong already have something to do. Where only a part of a batch is used, the time of attacks and
    training passes is scaled to the whole; with `compute.compile`, which would compile anew, it is always whole.
    """
    with closing(_batches(run)) as batches:
        return _tried(run, _Steps(run, batches), seconds)


def _tried(run: Run, steps: _Steps, seconds: float) -> Trial:
    whole = run.recipe.batch_size
    compiles = run.recipe.compute.compile != "none"
    few = whole if compiles else min(whole, FEW)
    first = sum(steps.timed(few).values())
    flops, activations = steps.counted(few)
    again = sum(steps.timed(few).values())
    images = whole if compiles else max(few, min(whole, int(few * seconds / (3 * again))))
    if images != few:
        steps.timed(images)
    times: Amounts = {}
    began, done = time.perf_counter(), 0
    while done < 2 or time.perf_counter() - began < seconds:
        times, done = added(times, steps.timed(images)), done + 1
    grown = {name: whole / images if name in _GROWING else 1.0 for name in times}
    each = {name: total / done * grown[name] for name, total in times.items()}
    counts = {name: count * whole / few for name, count in flops.items()}
    compilation = max(0.0, first - sum(each.values())) if compiles else 0.0
    return Trial(each, counts, done, images, compilation, activations * whole // few)


class _Steps:
    """Steps of a run, one after the other, each at another moment of it."""

    def __init__(self, run: Run, batches: Iterator[Tensor]) -> None:
        self.run, self._moments, self._batches = run, _moments(run), batches
        self._stopwatch = stopwatch(run.device)

    def timed(self, images: int) -> Amounts:
        """Take a step on the first so many images of a batch; how long that took, by phase."""
        with watched(self._stopwatch):
            self._stopwatch.taken()
            with phase("data"):
                batch = next(self._batches)[:images]
            dealt = self._stopwatch.taken()
            labels = self._prepared(batch)
            self._stopwatch.taken()
            self.run.step(batch, labels)
            return added(dealt, self._stopwatch.taken())

    def counted(self, images: int) -> tuple[Amounts, int]:
        """Take such a step; its operations by phase, and the bytes that its largest training pass kept."""
        batch = next(self._batches)[:images]
        weights = [weight for learner in self.run.learners.values() for weight in learner.model.parameters()]
        labels, saved = self._prepared(batch), SavedBytes("training passes", weights)
        with counting() as operations, saved.counted():
            meter = Meter(lambda: operations.flops)
            with watched(Watches(meter, saved)):
                self.run.step(batch, labels)
            return meter.taken(), saved.most

    @torch.no_grad()
    def _prepared(self, images: Tensor) -> Tensor:
        """Set the clock to the next moment; returns the labels to train with."""
        self.run.clock.epoch, self.run.clock.batch = next(self._moments)
        model = next(iter(self.run.learners.values())).model
        with modes_restored(model):
            predicted: Tensor = model.eval()(images).argmax(1)
        return predicted


def _batches(run: Run) -> Generator[Tensor, None, None]:
    for epoch in itertools.count(1):
        for images, _ in run.data.batches(epoch):
            yield images


def _moments(run: Run) -> Iterator[tuple[int, int]]:
    """Epochs, and batches done in them, evenly over the run: multiples of the golden ratio, modulo its length.

    Moments at which BatchNorm is recomputed for the learners are passed over: they are rare, dear, and counted apart.
    So are those at which an aggregator measures before it merges, which are not counted.
    """
    total = run.clock.epochs * run.clock.batches
    for number in itertools.count(1):
        epoch, batch = divmod(int(number * 0.6180339887498949 % 1 * total), run.clock.batches)
        after = Clock(run.clock.epochs, run.clock.batches, epoch + 1, batch + 1)
        aggregator = run.recipe.aggregator
        dear = aggregator.redistributes(after) and aggregator.recomputes_batch_norm(after) or aggregator.settles(after)
        if not dear or number % 100 == 0:
            yield epoch + 1, batch
