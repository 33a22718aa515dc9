"""Random noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robustkit import Augmentation
from robustkit.components.fields import Positive


@dataclass(frozen=True)
class GaussianNoise(Augmentation):
    """Adds normal noise to every pixel of every channel, clipped to [0, 1]: a baseline, no defence against attacks."""

    name = "gaussian-noise"

    std: Positive = 0.1
    """Standard deviation of the noise before clipping, in [0, 1] pixels."""

    def __call__(self, images: Tensor) -> Tensor:
        """The noisy images."""
        return torch.randn_like(images).mul_(self.std).add_(images).clamp_(0.0, 1.0)
