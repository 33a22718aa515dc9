"""Arithmetic on named tensors: all that merging weights is. Every function changes its first argument in place.

Floating-point tensors are averaged; integer tensors (BatchNorm's batch counter) are copied and never averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

Weights: TypeAlias = Mapping[str, Tensor]
"""A network's parameters and buffers by name, as `state_dict` names them."""


class LearnerWeights(Mapping[str, Tensor]):
    """What a learner offers for merging: its moving average where it keeps one, else its raw weights.

    `raw` and `average` (None where it keeps none) are there for aggregators that must choose.
    """

    def __init__(self, raw: Weights, average: Weights | None = None) -> None:
        self.raw, self.average = raw, average
        self._offered = raw if average is None else average

    def __getitem__(self, name: str) -> Tensor:
        return self._offered[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._offered)

    def __len__(self) -> int:
        return len(self._offered)


@torch.no_grad()
def copy_(target: Weights, source: Weights) -> None:
    """Copy every tensor of `source` into the one of that name in `target`."""
    torch._foreach_copy_(list(target.values()), [source[name] for name in target])


@torch.no_grad()
def lerp_(target: Weights, source: Weights, share: float) -> None:
    """`target + share * (source - target)`; share 0 changes nothing, share 1 copies, both exactly.

    Integer tensors are copied, unless the share is 0. One pass over the memory, as moving averages do it every batch.
    """
    if share == 0.0:
        return
    (averaged, towards), (counters, counted) = _split(target, source)
    torch._foreach_lerp_(averaged, towards, share)
    if counters:
        torch._foreach_copy_(counters, counted)


@torch.no_grad()
def mix_(target: Weights, sources: list[tuple[Weights, float]], *, keep: float = 0.0) -> None:
    """`keep * target + sum(share * source)`, in which a share of 0 takes no part and a lone share of 1 is a copy.

    Integer tensors are copied from the source with the largest share (the first of equals); with no share above 0 they
    stay.
    """
    active = [(source, share) for source, share in sources if share != 0.0]
    (tensors, *offered), (counters, *counted) = _split(target, *(source for source, _ in active))
    shares = [share for _, share in active]
    if counters and shares:
        torch._foreach_copy_(counters, counted[shares.index(max(shares))])
    if keep == 0.0 and shares:
        torch._foreach_copy_(tensors, offered.pop(0))
        keep = shares.pop(0)
    if keep != 1.0:
        torch._foreach_mul_(tensors, keep)
    for added, share in zip(offered, shares, strict=True):
        torch._foreach_add_(tensors, added, alpha=share)


def _split(target: Weights, *sources: Weights) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """The floating-point tensors of target and sources, in the order of the target's names, and the integer ones."""
    floats, integers = floating(target), [name for name, tensor in target.items() if not tensor.is_floating_point()]
    given = [source._offered if isinstance(source, LearnerWeights) else source for source in (target, *sources)]
    return [[one[name] for name in floats] for one in given], [[one[name] for name in integers] for one in given]


def floating(weights: Weights) -> list[str]:
    """The names of the tensors that may be averaged."""
    return [name for name, tensor in weights.items() if tensor.is_floating_point()]


def batch_norm_statistics(weights: Weights) -> list[str]:
    """The names of BatchNorm's running means and variances, which may be recomputed instead of averaged."""
    return [name for name in weights if name.rpartition(".")[2] in ("running_mean", "running_var")]


def warmed_up(decay: float, step: int) -> float:
    """The decay of a moving average at its `step`-th update (from 1): min(decay, step / (step + 9)).

    A young average forgets faster, so that it is not dominated by the random start; with s = step - 1 updates done
    before, this is the (s + 1) / (s + 10) of Generalist's released code.
    """
    return min(decay, step / (step + 9))
