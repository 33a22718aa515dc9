"""Friendly adversarial training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.nn import functional

from robustkit import Attack, Budget, CrossEntropy, Loss, Rate, Strategy, example_streams, perturb, rate_now
from robustkit.components.fields import NonNegativeInt, Positive, PositiveInt


@dataclass(frozen=True)
class FriendlyPGD(Attack):
    """PGD in Linf that lets go of an image `tau` steps after it is first misclassified (PGD-K-tau).

    Zhang, Xu, Han, Niu, Cui, Sugiyama, Kankanhalli: Attacks Which Do Not Kill Training Make Adversarial Learning
    Stronger, ICML 2020. For training: as an evaluation it says nothing that PGD does not.
    """

    name = "friendly-pgd"

    eps: Positive
    """Radius of the Linf ball around each image, in units of [0, 1] pixels."""
    step_size: Positive
    """Length of a sign step."""
    steps: PositiveInt
    """Gradient steps at most (K in the paper); images that are let go leave the batch."""
    tau: NonNegativeInt = 0
    """Steps that are still taken while an image is misclassified."""
    random_start: bool = True
    """Start at a point drawn uniformly from the ball instead of at the image."""

    @property
    def budget(self) -> Budget:
        """`eps` in Linf."""
        return Budget("Linf", self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The images where each was let go; at most `steps` forwards and backwards."""
        attacked = images.clone()
        if self.random_start:
            start = (2.0 * example_streams(images).uniform_like(images) - 1.0) * self.eps
            attacked = (images + start).clamp(0.0, 1.0)
        places = torch.arange(len(images), device=images.device)
        left = torch.full_like(places, self.tau)
        for _ in range(self.steps):
            points = attacked[places].requires_grad_()
            logits = model(points)
            wrong = logits.argmax(dim=1) != labels[places]
            held = ~(wrong & (left == 0))
            if not bool(held.any()):
                break
            loss = functional.cross_entropy(logits, labels[places], reduction="sum")
            step = self.step_size * torch.autograd.grad(loss, points)[0].sign()
            clean = images[places]
            moved = (points.detach() + step - clean).clamp(-self.eps, self.eps)
            places, left = places[held], (left - wrong.long())[held]
            attacked[places] = (clean + moved).clamp(0.0, 1.0)[held]
        return attacked


@dataclass(frozen=True)
class FAT(Strategy):
    """Adversarial training on the least adversarial of misclassified images (`friendly-pgd`).

    Zhang, Xu, Han, Niu, Cui, Sugiyama, Kankanhalli: Attacks Which Do Not Kill Training Make Adversarial Learning
    Stronger, ICML 2020. Natural accuracy suffers less than from PGD adversarial training, and a batch
    costs the less, the more of its images are easily misclassified. MART with such an attack is
    `{use: mart, attack: {use: friendly-pgd, ...}}`.
    """

    name = "fat"

    eps: Positive = 8 / 255
    """Radius of the Linf ball around each image, in units of [0, 1] pixels."""
    step_size: Positive = 2 / 255
    """Length of a sign step."""
    steps: PositiveInt = 10
    """Gradient steps at most (K in the paper)."""
    tau: Annotated[Rate, Ge(0)] = 0
    """Steps that are still taken while an image is misclassified: a number or a schedule, rounded down. More is more
    robust and less accurate on clean images."""
    random_start: bool = True
    """Start at a point drawn uniformly from the ball instead of at the image."""
    criterion: Loss = CrossEntropy()
    """The loss on attacked images."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss (scalar) of the attacked batch."""
        attack = FriendlyPGD(self.eps, self.step_size, self.steps, int(rate_now(self.tau)), self.random_start)
        return self.criterion(model(perturb(attack, model, images, labels)), labels).mean()
