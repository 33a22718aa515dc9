"""Augmentations: random changes to a training batch that keep its labels."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from robustkit.components.component import Component


@dataclass(frozen=True)
class Augmentation(Component):
    """Changes a whole batch at once, on the device it is on. Randomness comes from torch's global generator, which the
    engine seeds for every batch."""

    kind: ClassVar[str] = "augmentation"

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor:
        """Return augmented images of the same shape (N, C, H, W), float, in [0, 1]; the input is not changed."""
