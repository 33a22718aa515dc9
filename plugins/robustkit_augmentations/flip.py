"""Mirror images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robustkit import Augmentation
from robustkit.components.fields import Share


@dataclass(frozen=True)
class HorizontalFlip(Augmentation):
    """Swaps left and right in some of the images. Not for digits or letters."""

    name = "horizontal-flip"

    probability: Share = 0.5
    """Of an image being mirrored."""

    def __call__(self, images: Tensor) -> Tensor:
        """The images, some of them mirrored."""
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < self.probability
        # An exact choice at weights of 0 and 1, and twice as fast on a CPU as torch.where with one condition an image.
        return images.lerp(images.flip(3), mirrored.to(images.dtype))
