"""Which way is uphill: logits, losses and the gradient of the losses at some images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from robustkit.errors import AttackError
from robustkit_attacks.portions import portions

Losses: TypeAlias = Callable[..., Tensor]
"""Losses (N,) of logits (N, K) and what else is known of each example; higher is worse for the model."""


def slope(model: nn.Module, losses_of: Losses, images: Tensor, *known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (N, K), losses (N,) and the losses' gradient (N, ...); one forward and one backward.

    Logits are taken in the images' precision, whatever the model computes in. Where a gradient is no number it is 0, so
    that the image stays where it is; a loss that is no number counts as the smallest.

    Args:
        model: maps images to logits.
        losses_of: told the logits, then whatever is `known`.
        images: (N, ...).
        known: tensors with N rows, labels say.

    Raises:
        AttackError: the logits do not depend on the images in a way that has a gradient.
    """
    parts = [_slope(model, losses_of, *part) for part in portions(images, *known)]
    logits, losses, gradients = (torch.cat(found) if len(parts) > 1 else found[0] for found in zip(*parts, strict=True))
    return logits, losses, gradients


def _slope(model: nn.Module, losses_of: Losses, images: Tensor, *known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    images = images.detach().requires_grad_()
    logits = model(images).to(images.dtype)
    losses = losses_of(logits, *known)
    check_slope(losses)
    (gradient,) = torch.autograd.grad(losses.sum(), images)
    # In the images' memory format: a network may hand out another, and on CPUs arithmetic between two is slow.
    return logits.detach(), _ordered(losses), torch.nan_to_num(gradient, out=torch.empty_like(images.detach()))


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
def height(model: nn.Module, losses_of: Losses, images: Tensor, *known: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and losses (N,) without a gradient; one forward, and otherwise as `slope`."""
    logits = torch.cat([model(part).to(images.dtype) for (part,) in portions(images)])
    return logits, _ordered(losses_of(logits, *known))


def _ordered(losses: Tensor) -> Tensor:
    return losses.detach().nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
