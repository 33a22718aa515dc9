"""Mixes of learners at the ends of epochs: who gets which share, and what becomes of BatchNorm's statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import torch

from robustkit import Clock, LearnerWeights, Weights
from robustkit.components.weights import batch_norm_statistics, floating, mix_
from robustkit.errors import Path, Problem, did_you_mean, known

Statistics: TypeAlias = Literal["average", "recompute"]
"""What becomes of BatchNorm's running statistics: mixed as weights are, or recomputed from training images."""


def at_the_end(clock: Clock) -> bool:
    """Whether an epoch's last batch was just done."""
    return clock.batch == clock.batches


def due(clock: Clock, every_epochs: int) -> bool:
    """Whether this is an epoch that is a multiple of so many, or the run's last."""
    return clock.epoch % every_epochs == 0 or clock.epoch == clock.epochs


def to_merge(merged: Weights, batch_norm: Statistics) -> Weights:
    """The tensors that are merged: all, or all but the statistics that are recomputed."""
    left_out = batch_norm_statistics(merged) if batch_norm == "recompute" else ()
    return {name: tensor for name, tensor in merged.items() if name not in left_out}


def mixed(learners: Mapping[str, LearnerWeights], shares: Mapping[str, float]) -> Weights:
    """New weights: each learner's times its share, summed."""
    found = {name: tensor.clone() for name, tensor in next(iter(learners.values())).items()}
    mix_(found, [(learners[name], share) for name, share in shares.items()])
    return found


@torch.no_grad()
def copy_counters(merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
    """Integer tensors (BatchNorm's counters) become the first learner's."""
    first = next(iter(learners.values()))
    for name in merged.keys() - floating(merged):
        merged[name].copy_(first[name])


def equal_shares(members: Sequence[str]) -> dict[str, float]:
    """One share for all."""
    return dict.fromkeys(members, 1.0 / len(members))


def unknown_learners(named: Iterable[str], learners: Sequence[str], path: Path) -> Iterable[Problem]:
    """Names of learners that do not exist."""
    for name in named:
        if name not in learners:
            text = f"there is no learner {name!r}.{did_you_mean(name, learners)} {known(learners)}"
            yield Problem((*path, name), text, on_key=True)


def lacking(found: Mapping[str, Any], learners: Iterable[str]) -> bool:
    """Whether nothing was found yet for these learners."""
    return set(found.get("shares", ())) != set(learners)
