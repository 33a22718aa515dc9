"""Expectation over transformation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from robustkit import Attack, Budget
from robustkit.components.fields import PositiveInt
from robustkit_attacks.slope import gradient_of


class _Mean(torch.autograd.Function):
    """Mean logits of several passes. Its backward makes new passes, one at a time: memory is that of a single one."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, model: nn.Module, samples: int) -> Tensor:
        ctx.save_for_backward(images)
        ctx.model, ctx.samples = model, samples
        mean: Tensor = sum(model(images) for _ in range(samples)) / samples
        return mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (images,) = ctx.saved_tensors
        total = torch.zeros_like(images)
        for _ in range(ctx.samples):
            again = images.detach().requires_grad_()
            with torch.enable_grad():
                logits = ctx.model(again)
            total += gradient_of(logits, again, gradient / ctx.samples)
        return total, None, None


class Averaged(nn.Module):
    """A network whose logits are the mean over several passes of another one."""

    def __init__(self, model: nn.Module, samples: int) -> None:
        super().__init__()
        self.model, self.samples = model, samples

    def forward(self, images: Tensor) -> Tensor:
        """The mean logits (N, K).

        Raises:
            AttackError: in backward, where the passes have no gradient.
        """
        mean: Tensor = _Mean.apply(images, self.model, self.samples)
        return mean


@dataclass(frozen=True)
class EOT(Attack):
    """Any attack, on the mean of several passes through a network that answers at random.

    Athalye, Carlini, Wagner: Obfuscated Gradients Give a False Sense of Security, ICML 2018, section 4.2 (expectation
    over transformation, after Athalye, Engstrom, Ilyas, Kwok: Synthesizing Robust Adversarial Examples, ICML 2018). The
    inner attack is handed a network whose logits are the mean over `samples` passes: losses and what counts as broken
    are those of the mean logits, and gradients are the mean over as many passes more. (AutoAttack's `rand` averages the
    gradients of each pass's own loss, and takes the last pass's word for what is broken.) A gradient costs `samples`
    times two forwards and one backward, in the memory of a single pass.

    What the network draws is seeded by the door once a batch: with such a network, results depend on the batch.
    """

    name = "eot"

    attack: Attack
    """The inner attack."""
    samples: PositiveInt = 20
    """Passes that are averaged; 20 in AutoAttack."""

    @property
    def budget(self) -> Budget | None:
        """The inner attack's."""
        return self.attack.budget

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The inner attack's."""
        return self.attack.budgets

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the inner attack's images."""
        return self.attack(Averaged(model, self.samples), images, labels)
