"""The Generalist aggregator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le

from robustkit import Aggregator, Clock, LearnerWeights, Rate, Weights
from robustkit.components.fields import Decay, PositiveInt
from robustkit.components.weights import batch_norm_statistics, copy_, mix_, warmed_up
from robustkit.errors import Problem, did_you_mean, known
from robustkit_generalist.shares import mix_problems, shares_at


@dataclass(frozen=True)
class Generalist(Aggregator):
    """A moving average of a mix of the learners' weights, which at intervals all learners go on from.

    Wang and Wang: Generalist: Decoupling Natural and Robust Generalization, CVPR 2023. The merged weights gather from
    the first batch on: `merged := d * merged + (1 - d) * sum(share * learner)` after every batch. From `start_epoch` on
    they are dealt out again. With `decay: 0` the merged weights are the mix itself. Any number of learners, also one.
    """

    name = "generalist"

    mix: Mapping[str, Annotated[Rate, Ge(0), Le(1)]]
    """Each learner's share of the mix, 0 to 1, by its name: a number or a schedule by epoch (gamma in the paper). The
    one learner that is not named gets the remainder; where all are named, the shares sum to 1 in every epoch."""
    decay: Decay = 0.999
    """d: what the merged weights keep of themselves at each batch."""
    warm_up: bool = True
    """Forget faster at first: at the s-th batch of the run d is min(decay, s / (s + 9))."""
    start_epoch: PositiveInt = 1
    """t': the first epoch in which learners may be dealt the merged weights, counted from 1."""
    every_epochs: PositiveInt = 5
    """c: from `start_epoch` on, the epochs whose number is a multiple of this deal out."""
    redistribute: Literal["epoch_end", "epoch_start", "every_batch", "never"] = "epoch_end"
    """When in such an epoch learners are dealt the merged weights: after its last batch, before its first, or after
    each of its batches (which holds the learners at the merged weights for that epoch)."""
    mix_of: Literal["averages", "weights"] = "averages"
    """What is mixed: the learners' moving averages (raw weights of those that keep none), or always the raw weights."""
    batch_norm: Literal["average", "recompute"] | str = "average"
    """BatchNorm's running statistics of the merged network. `average`: mixed as weights are. `recompute`: left alone,
    and computed anew from training images before use. Any other word: those of the learner of that name."""
    optimizer_state: Literal["keep", "reset"] = "keep"
    """What becomes of the optimizers' state (momentum) when learners are dealt the merged weights."""

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Move the merged weights towards the learners' mix.

        Raises:
            InputError: the mix does not fit these learners; `problems_in_run` tells that beforehand.
        """
        shares = shares_at(self.mix, list(learners), clock)
        offered: dict[str, Weights] = {
            name: learner.raw if self.mix_of == "weights" else learner for name, learner in learners.items()
        }
        decay = warmed_up(self.decay, clock.step) if self.warm_up else self.decay
        statistics = {}
        if self.batch_norm != "average":
            statistics = {name: merged[name] for name in batch_norm_statistics(merged)}
            merged = {name: tensor for name, tensor in merged.items() if name not in statistics}
        mix_(merged, [(offered[name], (1.0 - decay) * share) for name, share in shares.items()], keep=decay)
        if self._lender and statistics:
            copy_(statistics, offered[self._lender])

    @property
    def _lender(self) -> str:
        """The learner whose BatchNorm statistics the merged network takes; empty where it takes no single one's."""
        return "" if self.batch_norm in ("average", "recompute") else self.batch_norm

    def redistributes(self, clock: Clock) -> bool:
        """Whether this is the moment, in an epoch of the grid, that `redistribute` names."""
        if clock.epoch < self.start_epoch or clock.epoch % self.every_epochs != 0:
            return False
        moments = {
            "epoch_start": clock.batch == 0,
            "epoch_end": clock.batch == clock.batches,
            "every_batch": clock.batch > 0,
            "never": False,
        }
        return moments[self.redistribute]

    @property
    def resets_optimizers(self) -> bool:
        """As `optimizer_state` says."""
        return self.optimizer_state == "reset"

    def recomputes_batch_norm(self, clock: Clock) -> bool:
        """As `batch_norm` says."""
        return self.batch_norm == "recompute"

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """A mix that does not fit the learners, an unknown name in `batch_norm`, a start past the end of the run."""
        yield from mix_problems(self.mix, learners, epochs)
        if self._lender and self._lender not in learners:
            words = ["average", "recompute", *learners]
            text = f"expected 'average', 'recompute' or a learner's name, got {self._lender!r}."
            yield Problem(("batch_norm",), f"{text}{did_you_mean(self._lender, words)} {known(words)}")
        if self.redistribute != "never" and self.start_epoch > epochs:
            text = f"expected an epoch of this run, 1 to {epochs}, got {self.start_epoch}."
            yield Problem(("start_epoch",), f"{text} To deal out nothing write `redistribute: never`.")
