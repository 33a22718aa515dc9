"""A batch mixed with itself in another order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Beta

from robustkit import Loss


@dataclass(frozen=True)
class Mixture:
    """Mixed images with both labels of each, and how much the first counts."""

    images: Tensor
    """(N, C, H, W)."""
    labels: Tensor
    """(N,), of the images themselves."""
    others: Tensor
    """(N,), of those mixed in."""
    share: float
    """Of `labels`, 0 to 1; the rest is that of `others`."""

    def loss(self, criterion: Loss, logits: Tensor) -> Tensor:
        """The mean loss (scalar) under both labels, weighted: that of soft labels, for cross-entropy."""
        first, second = criterion(logits, self.labels).mean(), criterion(logits, self.others).mean()
        return self.share * first + (1.0 - self.share) * second


def drawn_share(alpha: float) -> float:
    """A share from Beta(alpha, alpha), drawn from torch's global generator of the CPU."""
    return float(Beta(alpha, alpha, validate_args=False).sample())


def drawn_order(images: Tensor) -> Tensor:
    """A random order (N,) of the images, drawn from torch's global generator of the CPU."""
    return torch.randperm(len(images)).to(images.device)


def blended(images: Tensor, labels: Tensor, alpha: float) -> Mixture:
    """Every image averaged with one other, all with one share drawn from Beta(alpha, alpha)."""
    share, order = drawn_share(alpha), drawn_order(images)
    return Mixture(share * images + (1.0 - share) * images[order], labels, labels[order], share)
