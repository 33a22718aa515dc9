"""Architectures: which network is trained."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from torch import nn

from robustkit.components.component import Component
from robustkit.components.fields import Positive

ImageShape: TypeAlias = tuple[int, int, int]
"""(channels, height, width)."""


@dataclass(frozen=True)
class Normalization:
    """Per-channel mean and standard deviation, applied inside the model, so that eps always means [0, 1] pixels."""

    mean: tuple[float, ...]
    """Subtracted from the pixels: one value a channel, or one for all."""
    std: tuple[Positive, ...]
    """What the difference is divided by: one value a channel, or one for all."""


@dataclass(frozen=True)
class Architecture(Component):
    """Builds a network. Weights are drawn from torch's global generator, which the engine seeds."""

    kind: ClassVar[str] = "architecture"

    @abstractmethod
    def build(self, num_classes: int, image_shape: ImageShape) -> nn.Module:
        """Return a fresh network that maps (N, *image_shape) to logits (N, num_classes).

        Raises:
            InputError: the architecture cannot take such images.
        """

    @property
    def normalization(self) -> Normalization | None:
        """The normalization the network's own weights were trained with; None where it takes plain [0, 1] pixels."""
        return None
