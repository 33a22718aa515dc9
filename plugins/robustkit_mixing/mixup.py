"""Mixup."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from robustkit import CrossEntropy, Loss, Strategy
from robustkit.components.fields import Positive
from robustkit_mixing.mixture import blended


@dataclass(frozen=True)
class Mixup(Strategy):
    """Minimizes the loss on averages of two images each, whose labels are averaged alike; without an attack.

    Zhang, Cisse, Dauphin, Lopez-Paz: mixup: Beyond Empirical Risk Minimization, ICLR 2018. One share and one
    random order a batch, as in the released code.
    """

    name = "mixup"

    alpha: Positive = 1.0
    """The share is drawn from Beta(alpha, alpha): small values mix little, 1 is uniform. The paper's for CIFAR: 1."""
    criterion: Loss = CrossEntropy()
    """The loss under each of the two labels."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss (scalar) of the mixed batch; one forward."""
        mixture = blended(images, labels, self.alpha)
        return mixture.loss(self.criterion, model(mixture.images))
