"""Interpolated adversarial training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from robustkit import Attack, CrossEntropy, Loss, Strategy, perturb
from robustkit.components.fields import Positive
from robustkit_mixing.mixture import blended


@dataclass(frozen=True)
class IAT(Strategy):
    """Minimizes the mean of two mixup losses: of clean images among themselves, and of attacked ones among themselves.

    Lamb, Verma, Kannala, Bengio: Interpolated Adversarial Training: Achieving Robust Neural Networks Without
    Sacrificing Too Much Accuracy, AISec 2019, with mixup of pixels. Images are attacked before they are
    mixed. Shares and orders are drawn anew for the attacked images; clean ones go through the network first, each half
    in a forward of its own.
    """

    name = "iat"

    attack: Attack
    """Makes the attacked images, against the learner's present weights; the paper uses PGD."""
    alpha: Positive = 1.0
    """Shares are drawn from Beta(alpha, alpha): small values mix little, 1 is uniform."""
    criterion: Loss = CrossEntropy()
    """The loss under each of the two labels."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean (scalar) of both losses; two forwards."""
        attacked = perturb(self.attack, model, images, labels)
        clean, adversarial = (blended(part, labels, self.alpha) for part in (images, attacked))
        natural = clean.loss(self.criterion, model(clean.images))
        return 0.5 * (natural + adversarial.loss(self.criterion, model(adversarial.images)))
