"""MART."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustkit import Attack, Strategy, perturb
from robustkit.components.fields import NonNegative
from robustkit_adversarial.divergence import kl_divergence


@dataclass(frozen=True)
class MART(Strategy):
    """Adversarial training with boosted cross-entropy and a divergence that counts most where clean images are missed.

    Wang, Zou, Yi, Bailey, Ma, Gu: Improving Adversarial Robustness Requires Revisiting Misclassified Examples, ICLR
    2020. Clean and attacked images go through the network in two forwards, clean first. Logarithms are
    computed from logits, without the small constants that keep those of the released code finite.
    """

    name = "mart"

    attack: Attack
    """Makes the images to train on; MART uses PGD on the cross-entropy."""
    weight: NonNegative = 5.0
    """Weight of the divergence (lambda in the paper)."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean (scalar) of boosted cross-entropy + `weight` * divergence * (1 - p(label) on clean images)."""
        attacked = perturb(self.attack, model, images, labels)
        natural, adversarial = model(images), model(attacked)
        missed = 1.0 - functional.softmax(natural, dim=1).gather(1, labels[:, None]).squeeze(1)
        divergence = kl_divergence(natural, adversarial) * missed
        return (boosted_cross_entropy(adversarial, labels) + self.weight * divergence).mean()


def boosted_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """`-log p(label) - log(1 - p(likeliest other class))`, shape (N,), of logits (N, K).

    The second term is computed as the log-sum-exp of all classes but that one, so it stays exact near probability 1.
    """
    others = logits.detach().scatter(1, labels[:, None], -torch.inf)
    likeliest = functional.one_hot(others.argmax(dim=1), logits.shape[1]).bool()
    all_but_it = logits.masked_fill(likeliest, -torch.inf).logsumexp(dim=1)
    return functional.cross_entropy(logits, labels, reduction="none") + logits.logsumexp(dim=1) - all_but_it
