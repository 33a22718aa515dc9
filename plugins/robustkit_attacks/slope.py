"""Which way is uphill: logits, losses and the gradient of the losses at some images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from robustkit.errors import AttackError

Losses: TypeAlias = Callable[[Tensor], Tensor]
"""Losses (N,) of logits (N, K); higher is worse for the model."""


def slope(model: nn.Module, losses_of: Losses, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N, K), losses (N,) and the losses' gradient (N, ...); one forward and one backward.

    Logits are taken in the images' precision, whatever the model computes in. Where a gradient is no number it is 0, so
    that the image stays where it is; a loss that is no number counts as the smallest.

    Raises:
        AttackError: the logits do not depend on the images in a way that has a gradient.
    """
    images = images.detach().requires_grad_()
    logits = model(images).to(images.dtype)
    losses = losses_of(logits)
    check_slope(losses)
    (gradient,) = torch.autograd.grad(losses.sum(), images)
    return logits.detach(), _ordered(losses), gradient.nan_to_num()


def check_slope(outputs: Tensor) -> None:
    """Refuse outputs without a gradient.

    Raises:
        AttackError: there is none.
    """
    if not outputs.requires_grad:
        raise AttackError(
            "the model's logits have no gradient with respect to the images (does it compute under "
            "torch.no_grad(), or detach?): a gradient attack would leave the images as they are."
        )


@torch.no_grad()
def height(model: nn.Module, losses_of: Losses, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and losses (N,) without a gradient; one forward."""
    logits = model(images).to(images.dtype)
    return logits, _ordered(losses_of(logits))


def _ordered(losses: Tensor) -> Tensor:
    return losses.detach().nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
