"""Random search at the budget's corners."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from robustkit import Attack, Budget
from robustkit.components.fields import PositiveInt, Share


@dataclass(frozen=True)
class Corners(Attack):
    """Tries random corners of the Linf ball and keeps the worst; it needs no gradient."""

    name = "corners"

    eps: Share
    """Radius of the ball, in units of [0, 1] pixels."""
    tries: PositiveInt = 4
    """Corners that are tried for each image."""

    @property
    def budget(self) -> Budget:
        """At most `eps` in Linf."""
        return Budget("Linf", self.eps)

    @torch.no_grad()
    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the worst corner of each image that was seen."""
        worst = images.clone()
        highest = cross_entropy(model(images), labels, reduction="none")
        for _ in range(self.tries):
            corner = (images + self.eps * torch.randn_like(images).sign()).clamp(0, 1)
            losses = cross_entropy(model(corner), labels, reduction="none")
            better = losses > highest
            worst[better], highest[better] = corner[better], losses[better]
        return worst
