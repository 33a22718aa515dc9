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
    logits, losses, gradient = bare_slope(model, losses_of, images, *known)
    # In the images' memory format: a network may hand out another, and on CPUs arithmetic between two is slow.
    return logits, _ordered(losses), torch.nan_to_num(gradient, out=torch.empty_like(images.detach()))


def bare_slope(model: nn.Module, losses_of: Losses, images: Tensor, *known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `slope`, in one part and in as few operations as may be: what is no number stays so.

    Raises:
        AttackError: the logits do not depend on the images in a way that has a gradient.
    """
    images = images.detach().requires_grad_()
    logits = model(images).to(images.dtype)
    losses = losses_of(logits, *known)
    return logits.detach(), losses.detach(), gradient_of(losses, images)


def gradient_of(outputs: Tensor, images: Tensor, weights: Tensor | None = None, *, keep: bool = False) -> Tensor:
    """The gradient (N, ...) of the outputs' sum.

    Args:
        outputs: of any shape, computed from the images.
        images: (N, ...), a leaf that requires a gradient.
        weights: of the outputs' shape, what each counts in the sum; by default 1.
        keep: whether there will be another gradient of the same computation.

    Raises:
        AttackError: there is none.
    """
    gradient = None
    if outputs.requires_grad:
        weights = torch.ones_like(outputs) if weights is None else weights
        (gradient,) = torch.autograd.grad(outputs, images, weights, retain_graph=keep, allow_unused=True)
    if gradient is None:
        raise AttackError(
            "the model's logits have no gradient with respect to the images (does it compute under torch.no_grad(), "
            "detach, or round to whole numbers?): a gradient attack would leave the images as they are. Use `square`, "
            "which needs scores only."
        )
    return gradient


@torch.no_grad()
def height(model: nn.Module, losses_of: Losses, images: Tensor, *known: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) and losses (N,) without a gradient; one forward, and otherwise as `slope`."""
    logits = torch.cat([model(part).to(images.dtype) for (part,) in portions(images)])
    return logits, _ordered(losses_of(logits, *known))


def _ordered(losses: Tensor) -> Tensor:
    return losses.detach().nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
