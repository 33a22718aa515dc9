"""What a learner offers for merging in place of its weights: an average of those it passed through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from robustkit.components.clock import Clock
from robustkit.components.component import Checked
from robustkit.components.fields import Decay, PositiveInt
from robustkit.components.weights import warmed_up
from robustkit.errors import Problem


@dataclass(frozen=True)
class Averaging(Checked):
    """An average of a learner's weights, BatchNorm's running statistics included, brought up to date after every batch.

    Before its first weights count, the average follows the learner.
    """

    decay: Decay = 0.999
    """`ema` only: share of the old average that stays at each update."""
    warm_up: bool = True
    """`ema` only: use min(decay, s / (s + 9)) at the s-th update, so that the random start is soon forgotten."""
    method: Literal["ema", "wa", "swa"] = "ema"
    """`ema`: exponential moving average over batches. `wa`: plain mean of the weights after every batch. `swa`: plain
    mean of the weights at the ends of epochs (Izmailov et al.: Averaging Weights Leads to Wider Optima and Better
    Generalization, UAI 2018, who recompute BatchNorm statistics; the aggregator `swa` does)."""
    start_epoch: PositiveInt = 1
    """The first epoch whose weights count."""
    every_epochs: PositiveInt = 1
    """`swa` only: epochs from one counted end to the next."""

    def problems(self) -> Iterable[Problem]:
        """Settings of another method."""
        if self.method != "ema" and (self.decay, self.warm_up) != (Averaging.decay, Averaging.warm_up):
            yield Problem(
                ("method",), f"`decay` and `warm_up` belong to ema, {self.method} weighs all alike: leave out."
            )
        if self.method != "swa" and self.every_epochs != 1:
            yield Problem(("every_epochs",), f"belongs to swa, {self.method} counts every batch: leave it out.")

    def share(self, clock: Clock) -> float:
        """How much of the present weights the average takes in, 0 to 1; asked before the clock counts the batch."""
        counted = clock.step + 1 - (self.start_epoch - 1) * clock.batches
        if counted < 1:
            return 1.0
        if self.method == "ema":
            return 1.0 - (warmed_up(self.decay, counted) if self.warm_up else self.decay)
        if self.method == "wa":
            return 1.0 / counted
        snapshots, off = divmod(clock.epoch - self.start_epoch, self.every_epochs)
        if off or clock.batch + 1 < clock.batches:
            return 0.0 if counted > clock.batches else 1.0
        return 1.0 / (snapshots + 1)
