"""Training on clean and attacked images at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from robustkit import Attack, Strategy, perturb


@dataclass(frozen=True)
class HalfAndHalf(Strategy):
    """Cross-entropy of a batch whose first half is attacked."""

    name = "half-and-half"

    attack: Attack
    """Which attack."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of both halves."""
        half = len(images) // 2
        attacked = perturb(self.attack, model, images[:half], labels[:half])
        return cross_entropy(model(torch.cat([attacked, images[half:]])), labels)
