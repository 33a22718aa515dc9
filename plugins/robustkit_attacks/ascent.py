"""The loop that every gradient attack here is: step uphill, come back inside, and remember the worst image seen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustkit import Loss
from robustkit_attacks.geometry import Ball
from robustkit_attacks.slope import bare_slope

_ALL = slice(None)


class Worst:
    """The worst image seen so far for each example of a batch.

    A misclassified one is worse than a classified one; between two alike, the one with the higher loss is. With `first`
    an example's first misclassified image stays, whatever comes after it.

    Args:
        images: (N, ...), the clean ones: what is kept until an image is shown.
        first: whether the first misclassified image stays.
    """

    def __init__(self, images: Tensor, *, first: bool = False) -> None:
        self.images = images.clone()
        self.wrong = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        """(N,), bool: for which examples a misclassified image was seen."""
        self._losses = torch.full_like(self.wrong, -torch.inf, dtype=images.dtype)
        self._first = first

    def consider(
        self, images: Tensor, logits: Tensor, losses: Tensor, labels: Tensor, places: Tensor | slice = _ALL
    ) -> None:
        """Keep these images (M, ...) where they are worse than what is kept at their places (M,) in the batch."""
        wrong = logits.argmax(dim=1) != labels
        before, kept = self.wrong[places], self._losses[places]
        worse = (wrong & ~before) | ((wrong == before) & (losses > kept))
        if self._first:
            worse = worse & ~before
        column = worse.reshape(-1, *[1] * (images.ndim - 1))
        self.images[places] = torch.where(column, images, self.images[places])
        self._losses[places] = torch.where(worse, losses, kept)
        self.wrong[places] = wrong | before

    @torch.no_grad()
    def look(self, model: nn.Module, loss: Loss, images: Tensor, labels: Tensor, places: Tensor | slice = _ALL) -> None:
        """Run the model on these images and consider them."""
        logits = model(images).to(images.dtype)
        self.consider(images, logits, loss(logits, labels), labels, places)


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

    Nothing waits for the device. Every image whose logits the loop computes, which is all but the returned one, is
    shown to `worst`.

    Raises:
        AttackError: the logits do not depend on the images in a way that has a gradient.
    """
    images = start
    for _ in range(steps):
        logits, losses, gradient = bare_slope(model, loss, images, labels)
        if worst is not None:
            worst.consider(images, logits, losses, labels)
        images = ball.inside(ball.step(images, gradient, step_size), clean)
    return images
