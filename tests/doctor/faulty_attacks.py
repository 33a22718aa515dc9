"""Attacks that do not keep what they promise or find."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustkit import Attack, Budget


@dataclass(frozen=True)
class Forgetful(Attack):
    """Goes uphill for some steps, and returns to where it started."""

    name = "forgetful"

    eps: float

    @property
    def budget(self) -> Budget:
        return Budget("Linf", self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        moved = images
        for _ in range(8):
            moved = moved.detach().requires_grad_()
            loss = nn.functional.cross_entropy(model(moved), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
            step = (moved + 0.4 * self.eps * gradient.sign() - images).clamp(-self.eps, self.eps)
            moved = (images + step).clamp(0, 1)
        model(moved)
        return images


@dataclass(frozen=True)
class Overshoot(Attack):
    """Moves every pixel by a hundredth more than it may."""

    name = "overshoot"

    eps: float

    @property
    def budget(self) -> Budget:
        return Budget("Linf", self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return (images + 1.01 * self.eps).clamp(0, 1)
