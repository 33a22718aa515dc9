"""Squares cut out of images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robustkit import Augmentation
from robustkit.components.fields import PositiveInt, Share
from robustkit.errors import InputError


@dataclass(frozen=True)
class Cutout(Augmentation):
    """Covers a square at a random place in each image, all channels at once.

    DeVries and Taylor: Improved Regularization of Convolutional Neural Networks with Cutout, 2017 (arXiv 1708.04552).
    The square's centre may be any pixel, so that part of it often lies outside the image.
    """

    name = "cutout"

    size: PositiveInt = 16
    """Side of the square in pixels. 16 is the paper's choice for CIFAR-10."""
    fill: Share = 0.0
    """What covers the square, from black (0) to white (1). The paper fills with the data's mean."""

    def __call__(self, images: Tensor) -> Tensor:
        """The images with a square covered.

        Raises:
            InputError: the square is larger than the images.
        """
        height, width = images.shape[-2:]
        if self.size > min(height, width):
            raise InputError(
                f"augmentation 'cutout': a square of {self.size} pixels is larger than the images, {height}x{width}. "
                "Choose a smaller `size`; half an image's side or less is usual."
            )
        rows = self._covered(height, len(images), images.device).unsqueeze(2)
        columns = self._covered(width, len(images), images.device).unsqueeze(1)
        return images.masked_fill((rows & columns).unsqueeze(1), self.fill)

    def _covered(self, length: int, count: int, device: torch.device) -> Tensor:
        """Which of `length` rows (or columns) the square covers, for each image: (count, length)."""
        first = torch.randint(length, (count, 1), device=device) - self.size // 2
        place = torch.arange(length, device=device)
        return (place >= first) & (place < first + self.size)
