"""Auto-PGD in L1: a projection that knows of [0, 1], and steps that become sparser as their perturbations do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from robustkit_attacks.climb import Climb
from robustkit_attacks.geometry import L1Ball

_THINNER = 1.5
"""By how much sparser a step is than the best perturbation so far, and by how much shorter than the step before."""
_SHORTEST = 100.0
"""The longest step over the shortest."""


@dataclass(frozen=True)
class CrowdedL1Ball(L1Ball):
    """The part of the L1 ball around an image in which pixels are in [0, 1]."""

    def inside(self, images: Tensor, clean: Tensor) -> Tensor:
        """The nearest images in the ball and in [0, 1], both at once.

        Croce and Hein: Mind the Box: l1-APGD for Sparse Adversarial Attacks on Image Classifiers, ICML 2021, section 2.
        Every move is shortened by the same length, down to zero, and cut off at the pixel's limit; sorting the lengths
        at which a move begins and ends to shrink gives the one that makes the sum `eps`.
        """
        moves = (images - clean).flatten(1)
        wanted = moves.abs()
        room = torch.where(moves > 0, 1.0 - clean.flatten(1), clean.flatten(1))
        bends, order = torch.cat([wanted, wanted - room], dim=1).clamp_min(0.0).sort(dim=1, descending=True)
        shrinking = torch.where(order < wanted.shape[1], 1.0, -1.0).to(wanted.dtype).cumsum(dim=1)
        # The sum of all moves, where they are shortened by each of the bends.
        sums = torch.zeros_like(bends)
        sums[:, 1:] = ((bends[:, :-1] - bends[:, 1:]) * shrinking[:, :-1]).cumsum(dim=1)
        last = (sums <= self.eps).sum(dim=1, keepdim=True) - 1
        short = bends.gather(1, last) - (self.eps - sums.gather(1, last)) / shrinking.gather(1, last).clamp_min(1.0)
        kept = (wanted - short.clamp_min(0.0)).clamp_min(0.0).minimum(room)
        # Long sums round: what they leave too long is scaled.
        kept = kept * (self.eps / kept.sum(dim=1, keepdim=True).clamp_min(torch.finfo(kept.dtype).tiny)).clamp_max(1.0)
        return (clean + (moves.sign() * kept).reshape(clean.shape)).clamp(0.0, 1.0)


def shrinking(eps: float, steps: int) -> Iterable[tuple[float, int]]:
    """Radii and how many steps are taken in each: three, two times and once `eps` (Croce and Hein, ICML 2021, 3.3).

    With fewer than ten steps there is only `eps`.
    """
    if steps < 10:
        return [(eps, steps)]
    early = math.ceil(0.3 * steps)
    return [(3.0 * eps, early), (2.0 * eps, early), (eps, steps - 2 * early)]


@dataclass
class Sparsening(Climb):
    """Auto-PGD in L1 (Croce and Hein, ICML 2021, algorithm 1, as in the authors' code); steps have no momentum.

    Ours are: what limits cut off a step goes to further values; the number of values that share a step is rounded down,
    and falls where the best loss has not risen since the last check; and the shortest step is 10 times shorter. Without
    them it stops 2 to 50 % short of the optimum on linear and piecewise linear scores of 30 values
    (`tests/attacks/test_apgd_exact.py`).
    """

    share: Tensor = field(init=False)
    """The share of pixel values that a step moves."""
    spread: Tensor = field(init=False)
    """How many pixel values the best perturbation moved, at the last check."""
    checked_losses: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Begin in the ball, with steps a little sparser than the start."""
        self.images = self.region.inside(self.images, self.part.clean)
        super().__post_init__()
        self.spread, self.checked_losses = self._spread(), self.best_losses
        self.share = self.spread / (_THINNER * self._values)

    @property
    def longest(self) -> float:
        """The ball's radius."""
        return self.region.eps

    @property
    def _values(self) -> int:
        return self.images[0].numel()

    def checks(self, steps: int) -> Mapping[int, int]:
        """Every 4 % of the steps."""
        span = max(int(0.04 * steps), 1)
        return dict.fromkeys(range(span, steps + 1, span), span)

    def advance(self) -> None:
        """A projected step: the largest gradients first, each value by a share or up to its limit, until it is used up.

        That is the authors' step, but that what a limit cuts off goes to further values.
        """
        clean, size = self.part.clean, self.sizes.reshape(-1, 1)
        order = self.gradient.abs().flatten(1).argsort(dim=1, descending=True)
        gradient, images = self.gradient.flatten(1).gather(1, order), self.images.flatten(1).gather(1, order)
        room = torch.where(gradient > 0, 1.0 - images, images) * (gradient != 0)
        share = size / (self.share * self._values).floor().clamp_min(1.0).unsqueeze(1)
        cut = room.minimum(share)
        moves = (size - (cut.cumsum(dim=1) - cut)).clamp_min(0.0).minimum(cut) * gradient.sign()
        step = torch.zeros_like(moves).scatter(1, order, moves).reshape(clean.shape)
        self.images = self.region.inside(self.images + step, clean)

    def reconsider(self, span: int) -> None:
        """Where the best perturbation became sparser, long steps again, from it; elsewhere shorter ones."""
        spread = self._spread()
        thinner, risen = spread < 0.95 * self.spread, self.best_losses > self.checked_losses
        self.share = torch.where(risen | thinner, spread / self._values, self.share) / _THINNER
        shorter = (self.sizes / _THINNER).clamp_min(self.longest / _SHORTEST)
        self.sizes = torch.where(self.column(thinner), torch.full_like(self.sizes, self.longest), shorter)
        self.back_to_best(thinner)
        self.spread, self.checked_losses = spread, self.best_losses

    def _spread(self) -> Tensor:
        return (self.best_images != self.part.clean).flatten(1).sum(dim=1).to(self.images.dtype)
