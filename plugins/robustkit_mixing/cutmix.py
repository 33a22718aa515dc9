"""CutMix."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor, nn

from robustkit import CrossEntropy, Loss, Strategy
from robustkit.components.fields import Positive, Share
from robustkit_mixing.mixture import Mixture, drawn_order, drawn_share


@dataclass(frozen=True)
class CutMix(Strategy):
    """Minimizes the loss on images with a rectangle of another image; labels count by area. Without an attack.

    Yun, Han, Oh, Chun, Choe, Yoo: CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features, ICCV 2019. One rectangle and one random order a batch, as in the released code; its
    centre may be any pixel, and what lies outside the image is cut off.
    """

    name = "cutmix"

    alpha: Positive = 1.0
    """The share of the image that is kept is drawn from Beta(alpha, alpha). The paper's: 1."""
    probability: Share = 0.5
    """Of a batch being mixed at all; the released command for CIFAR has 0.5."""
    criterion: Loss = CrossEntropy()
    """The loss under each of the two labels."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss (scalar) of the batch; one forward."""
        if float(torch.rand(())) >= self.probability:
            return self.criterion(model(images), labels).mean()
        mixture = pasted(images, labels, self.alpha)
        return mixture.loss(self.criterion, model(mixture.images))


def pasted(images: Tensor, labels: Tensor, alpha: float) -> Mixture:
    """Every image with one rectangle of another, all at the same place."""
    share, order = drawn_share(alpha), drawn_order(images)
    height, width = images.shape[-2:]
    rows, columns = (_interval(length, sqrt(1.0 - share)) for length in (height, width))
    mixed = images.clone()
    mixed[..., rows, columns] = images[order][..., rows, columns]
    covered = (rows.stop - rows.start) * (columns.stop - columns.start)
    return Mixture(mixed, labels, labels[order], 1.0 - covered / (height * width))


def _interval(length: int, share: float) -> slice:
    """So much of a side, around a random pixel, as far as it lies inside."""
    size, centre = int(length * share), int(torch.randint(length, ()))
    return slice(max(0, centre - size // 2), min(length, centre + size // 2))
