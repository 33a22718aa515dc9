"""Random crops of padded images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from robustkit import Augmentation
from robustkit.components.fields import PositiveInt
from robustkit.errors import InputError


@dataclass(frozen=True)
class RandomCrop(Augmentation):
    """Pads each image and cuts out a window of its own size, at a place of its own: a shift in any direction."""

    name = "random-crop"

    padding: PositiveInt = 4
    """Pixels added on each side, so the farthest shift. 4 is usual for 32x32 images."""
    mode: Literal["zero", "reflect"] = "zero"
    """What is added: black, or the image mirrored at its edge."""

    def __call__(self, images: Tensor) -> Tensor:
        """The shifted images.

        Raises:
            InputError: the images are too small to be mirrored so far.
        """
        height, width = images.shape[-2:]
        if self.mode == "reflect" and self.padding >= min(height, width):
            raise InputError(
                f"augmentation 'random-crop': mirrored padding of {self.padding} needs images larger than that, got "
                f"{height}x{width}. Choose a smaller `padding`, or `mode: zero`."
            )
        padded = functional.pad(images, (self.padding,) * 4, mode="constant" if self.mode == "zero" else "reflect")
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # views: (N, C, row shifts, column shifts, H, W)
        number = torch.arange(len(images), device=images.device)
        rows, columns = torch.randint(2 * self.padding + 1, (2, len(images)), device=images.device)
        return windows[number, :, rows, columns]
