"""The smallest network."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from robustkit import Architecture
from robustkit.components.fields import PositiveInt


@dataclass(frozen=True)
class Perceptron(Architecture):
    """One hidden layer over flat pixels."""

    name = "perceptron"

    width: PositiveInt = 16
    """Units of the hidden layer."""

    def build(self, num_classes: int, image_shape: tuple[int, int, int]) -> nn.Module:
        """Return it for images of that shape."""
        inputs = math.prod(image_shape)
        layers = [nn.Flatten(), nn.Linear(inputs, self.width), nn.ReLU(), nn.Linear(self.width, num_classes)]
        return nn.Sequential(*layers)
