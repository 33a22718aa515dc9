"""Adversarial training in its plain form."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from robustkit import Attack, CrossEntropy, Loss, Strategy, perturb


@dataclass(frozen=True)
class Adversarial(Strategy):
    """Minimizes the mean loss on attacked images only; with a PGD attack this is PGD adversarial training.

    Madry, Makelov, Schmidt, Tsipras, Vladu: Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018.
    """

    name = "adversarial"

    attack: Attack
    """Makes the images to train on, from every batch anew, against the learner's present weights."""
    criterion: Loss = CrossEntropy()
    """The loss on attacked images."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss (scalar) of the attacked batch; one forward beside the attack's."""
        return self.criterion(model(perturb(self.attack, model, images, labels)), labels).mean()
