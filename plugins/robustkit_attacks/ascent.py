"""The loop that every gradient attack here is: step uphill, come back inside, and remember the worst image seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustkit import Loss
from robustkit.errors import AttackError
from robustkit_attacks.geometry import Ball


class Worst:
    """The worst image seen so far for each example.

    A misclassified one is worse than a classified one; between two alike, the one with the higher loss is.
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self._wrong = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        self._losses = torch.full_like(self._wrong, -torch.inf, dtype=images.dtype)

    def consider(self, images: Tensor, logits: Tensor, losses: Tensor, labels: Tensor) -> None:
        """Keep these images where they are worse than what is kept."""
        wrong = logits.argmax(dim=1) != labels
        worse = (wrong & ~self._wrong) | ((wrong == self._wrong) & (losses > self._losses))
        self.images = torch.where(worse.reshape(-1, *[1] * (images.ndim - 1)), images, self.images)
        self._wrong = wrong | self._wrong
        self._losses = torch.where(worse, losses, self._losses)

    @torch.no_grad()
    def look(self, model: nn.Module, loss: Loss, images: Tensor, labels: Tensor) -> None:
        """Run the model on these images and consider them."""
        logits = model(images).to(images.dtype)
        self.consider(images, logits, loss(logits, labels), labels)


def ascend(
    model: nn.Module,
    loss: Loss,
    ball: Ball,
    clean: Tensor,
    labels: Tensor,
    *,
    start: Tensor,
    steps: int,
    step_size: float,
    worst: Worst | None = None,
) -> Tensor:
    """Take so many steps from `start` inside the ball around `clean`; one forward and one backward each.

    Logits are taken in the images' precision, whatever the model computes in. Every image whose logits the loop
    computes, which is all but the returned one, is shown to `worst`.

    Raises:
        AttackError: the logits do not depend on the images in a way that has a gradient.
    """
    images = start
    for _ in range(steps):
        images = images.detach().requires_grad_()
        logits = model(images).to(images.dtype)
        losses = loss(logits, labels)
        if not losses.requires_grad:
            raise AttackError(
                "the model's logits have no gradient with respect to the images (does it compute under "
                "torch.no_grad(), or detach?): a gradient attack would leave the images as they are."
            )
        (gradient,) = torch.autograd.grad(losses.sum(), images)
        images = images.detach()
        if worst is not None:
            worst.consider(images, logits.detach(), losses.detach(), labels)
        images = ball.inside(ball.step(images, gradient, step_size), clean)
    return images
