"""Networks and images whose curves are known, and a run that takes a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robustkit import Attack, Budget, TensorExamples, make

TINY = """\
name: tiny
epochs: 2
batch_size: 64
train_examples: 128
validation_examples: 40
dataset: digits
architecture: {use: small-cnn, width: 4}
threads: 1
learners:
  natural:
    strategy: natural
    optimizer: {use: sgd, lr: 0.1}
  robust:
    strategy: {use: adversarial, attack: {use: pgd, eps: 0.1, steps: 1}}
    optimizer: {use: sgd, lr: 0.1}
    averaging: {decay: 0.5}
aggregator: {use: generalist, mix: {robust: 0.5}, decay: 0.5, every_epochs: 2}
evaluation:
  batch_size: 32
  test_examples: 50
  attacks: {pgd-1: {use: pgd, eps: 0.1, steps: 1}}
  final_attacks:
    pgd-2: {use: pgd, eps: 0.1, steps: 2}
    noise: {use: noise, eps: 0.1}
"""


class Half(nn.Module):
    """Two classes, divided by a plane through grey: class 1 where the weighted pixels are above it."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, images: Tensor) -> Tensor:
        scores = (images - 0.5).flatten(1) @ self.weights
        return torch.stack([-scores, scores], 1) / 2


def half(pixels: int = 12) -> Half:
    """A plane with pixels of different weights, none of them 0."""
    generator = torch.Generator().manual_seed(1)
    weights = torch.rand(pixels, generator=generator, dtype=torch.float64) + 0.5
    return Half(weights * torch.randn(pixels, generator=generator, dtype=torch.float64).sign())


def at_distances(model: Half, distances: list[float], shape: tuple[int, int, int] = (3, 2, 2)) -> TensorExamples:
    """Images of class 1, each so far from the plane in Linf, and grey: no attack below 0.3 meets black or white."""
    sign = model.weights.detach().sign()
    images = torch.stack([0.5 + distance * sign for distance in distances]).view(-1, *shape)
    return TensorExamples(images, torch.ones(len(distances), dtype=torch.int64), ("below", "above"))


@dataclass(frozen=True)
class Shy(Attack):
    """FGSM that gives up above an eps: what gradients that vanish do to real attacks."""

    name = "shy"

    eps: float
    """Radius."""
    up_to: float = 0.1
    """Where it gives up."""

    @property
    def budget(self) -> Budget:
        return Budget("Linf", self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        if self.eps > self.up_to:
            return images
        images = images.clone().requires_grad_()
        loss = nn.functional.cross_entropy(model(images), labels)
        gradient: Any = torch.autograd.grad(loss, images)[0]
        return (images + self.eps * gradient.sign()).detach().clamp(0, 1)


def attack(use: str, **fields: Any) -> Any:
    """An installed attack."""
    return make("attack", use, **fields)
