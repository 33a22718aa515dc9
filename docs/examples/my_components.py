"""An attack, a strategy and an architecture of my own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustkit import Architecture, Attack, Budget, CrossEntropy, Loss, Strategy, example_streams, hookimpl
from robustkit.components.fields import Positive, PositiveInt


@dataclass(frozen=True)
class Corner(Attack):
    """Moves every pixel by eps, up or down at random: a corner of the ball, found without gradients."""

    name = "corner"

    eps: Positive = 8 / 255
    """How far each pixel is moved, in units of [0, 1] pixels."""

    @property
    def budget(self) -> Budget:
        return Budget("Linf", self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        return (images + self.eps * example_streams(images).normal_like(images).sign()).clamp(0, 1)


@dataclass(frozen=True)
class Noisy(Strategy):
    """Trains on images with Gaussian noise."""

    name = "noisy"

    deviation: Positive = 0.1
    """The noise's standard deviation, in units of [0, 1] pixels."""
    criterion: Loss = CrossEntropy()
    """The loss on the noisy images."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        noisy = (images + self.deviation * torch.randn_like(images)).clamp(0, 1)
        return self.criterion(model(noisy), labels).mean()


@dataclass(frozen=True)
class TwoLayers(Architecture):
    """Two linear layers."""

    name = "two-layers"

    width: PositiveInt = 64
    """Hidden units."""

    def build(self, num_classes: int, image_shape: tuple[int, int, int]) -> nn.Module:
        pixels = image_shape[0] * image_shape[1] * image_shape[2]
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, self.width), nn.ReLU(), nn.Linear(self.width, num_classes))


@hookimpl
def register_attacks() -> list[type[Attack]]:
    return [Corner]


@hookimpl
def register_strategies() -> list[type[Strategy]]:
    return [Noisy]


@hookimpl
def register_architectures() -> list[type[Architecture]]:
    return [TwoLayers]
