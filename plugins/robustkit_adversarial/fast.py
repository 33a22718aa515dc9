"""Fast adversarial training: one gradient step from a random start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustkit import Attack, Budget, CrossEntropy, Loss, Strategy, example_streams, perturb
from robustkit.components.fields import Positive


@dataclass(frozen=True)
class RandomStep(Attack):
    """One sign step on the cross-entropy from a point drawn uniformly from the Linf ball, brought back into it.

    Wong, Rice, Kolter: Fast is Better than Free: Revisiting Adversarial Training, ICLR 2020.
    """

    name = "fgsm-rs"

    eps: Positive
    """Radius of the Linf ball around each image, in units of [0, 1] pixels."""
    step_size: Positive | None = None
    """Length of the step; by default 1.25 * eps, the paper's."""

    @property
    def budget(self) -> Budget:
        """`eps` in Linf."""
        return Budget("Linf", self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The images after the step; one forward and one backward."""
        start = (2.0 * example_streams(images).uniform_like(images) - 1.0) * self.eps
        point = (images + start).clamp(0.0, 1.0).requires_grad_()
        loss = functional.cross_entropy(model(point), labels, reduction="sum")
        step = (self.step_size or 1.25 * self.eps) * torch.autograd.grad(loss, point)[0].sign()
        moved = (point.detach() + step - images).clamp(-self.eps, self.eps)
        return (images + moved).clamp(0.0, 1.0)


@dataclass(frozen=True)
class FGSMRS(Strategy):
    """Adversarial training on one gradient step from a random start (`fgsm-rs`): two passes a batch instead of eleven.

    Wong, Rice, Kolter: Fast is Better than Free: Revisiting Adversarial Training, ICLR 2020. It may overfit
    catastrophically: within a few batches, robustness to stronger attacks is gone. Put it into an
    `overfitting-guard`, which notices.
    """

    name = "fgsm-rs"

    eps: Positive = 8 / 255
    """Radius of the Linf ball around each image, in units of [0, 1] pixels."""
    step_size: Positive | None = None
    """Length of the step; by default 1.25 * eps, the paper's. Longer ones overfit sooner."""
    criterion: Loss = CrossEntropy()
    """The loss on attacked images."""

    @cached_property
    def attack(self) -> Attack:
        """What makes the images to train on."""
        return RandomStep(self.eps, self.step_size)

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss (scalar) of the attacked batch."""
        return self.criterion(model(perturb(self.attack, model, images, labels)), labels).mean()
