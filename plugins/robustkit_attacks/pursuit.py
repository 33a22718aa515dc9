"""Ascent for as long as it can lead to something new: who is broken, or goes in circles, leaves the batch."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from robustkit import Loss
from robustkit_attacks.ascent import Worst
from robustkit_attacks.geometry import Ball
from robustkit_attacks.slope import bare_slope

_CROWD = 8
"""Who has left is taken out of the batch once it is one in so many: each new batch size costs time of its own."""
_WITNESSES = 8
"""Examples on which the network is asked twice whether it gives the same answer."""


@dataclass
class Walk:
    """Examples of a batch on their way. The first dimension of every tensor is the examples."""

    places: Tensor
    """(M,), int64, where in the batch each belongs."""
    clean: Tensor
    labels: Tensor
    images: Tensor
    """Where each is now."""
    before: Tensor
    """Where each was a step ago."""
    landmarks: Tensor
    """Where each was when a landmark was set last."""
    circling: Tensor
    """(M,), bool, who was back where it had been."""

    @classmethod
    def begun(cls, places: Tensor, clean: Tensor, labels: Tensor, start: Tensor) -> Walk:
        """All at their start, which is the first landmark."""
        return cls(places, clean, labels, start, start, start, torch.zeros_like(places, dtype=torch.bool))

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.places)

    def only(self, chosen: Tensor) -> Walk:
        """Those that are chosen (M,), bool."""
        return Walk(*(getattr(self, part.name)[chosen] for part in fields(self)))

    def move(self, images: Tensor, step: int) -> None:
        """Go to these images with that step, counted from 1; see who is back, and set a landmark at powers of 2.

        Most go to and fro in the end, and are seen two steps later. Landmarks find any circle, by the time that three
        times the steps were made which lead into it and once round it (Brent: An Improved Monte Carlo Factorization
        Algorithm, BIT 1980, section 2).
        """
        self.circling = self.circling | _same(images, self.before) | _same(images, self.landmarks)
        self.before, self.images = self.images, images
        if step & (step - 1) == 0:
            self.landmarks = images


def _same(images: Tensor, others: Tensor) -> Tensor:
    """Which images (M,) are the same, pixel by pixel."""
    return (images == others).flatten(1).all(dim=1)


class Pursuit:
    """Ascents of one batch, one after the other, each example until its first misclassified image.

    An example that is misclassified is attacked no further, in this ascent or a later one. Nor is, for the rest of an
    ascent, one that is exactly where it was before: steps of a fixed length up a network that answers twice alike lead
    from there to images that were all seen. Sign steps soon come to that. Whether logits, losses and gradients are
    alike, bit by bit, is tried on a few examples when the first circle is to count; if they are not, as in a network
    that draws at random, circles mean nothing and only the broken leave.

    What is kept is what an ascent of all to the end would keep, as long as the network's answer for an example does not
    depend on who else is in the batch (beyond rounding, which then may differ). Each step waits once for the device.

    Args:
        model: maps images to logits (N, K).
        loss: what the steps increase.
        ball: around each clean image.
        clean: (N, ...), the images.
        labels: (N,), int64.
        steps: of each ascent; one forward and one backward each, and one forward at the end, on who is left.
        step_size: in the ball's norm.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        ball: Ball,
        clean: Tensor,
        labels: Tensor,
        *,
        steps: int,
        step_size: float,
    ) -> None:
        self.model, self.loss, self.ball, self.clean, self.labels = model, loss, ball, clean, labels
        self.steps, self.step_size = steps, step_size
        self.worst = Worst(clean, first=True)
        self._alike: bool | None = None

    def ascend(self, places: Tensor, start: Tensor) -> None:
        """Ascend from `start` (M, ...) with the examples at these places (M,) of the batch."""
        walk = Walk.begun(places, self.clean[places], self.labels[places], start)
        for step in range(1, self.steps + 1):
            logits, losses, gradient = bare_slope(self.model, self.loss, walk.images, walk.labels)
            self.worst.consider(walk.images, logits, losses, walk.labels, walk.places)
            walk.move(self.ball.inside(self.ball.step(walk.images, gradient, self.step_size), walk.clean), step)
            walk = self._thinned(walk)
            if not len(walk):
                return
        self.worst.look(self.model, self.loss, walk.images, walk.labels, walk.places)

    def _thinned(self, walk: Walk) -> Walk:
        broken = self.worst.wrong[walk.places]
        done = broken if self._alike is False else broken | walk.circling
        count = int(done.sum())
        if not count or count * _CROWD < len(walk):
            return walk
        if self._alike is None and bool(walk.circling.any()):
            self._alike = self._answers_alike(walk.images[:_WITNESSES], walk.labels[:_WITNESSES])
            return self._thinned(walk)
        return walk.only(~done)

    def _answers_alike(self, images: Tensor, labels: Tensor) -> bool:
        first, again = (bare_slope(self.model, self.loss, images, labels) for _ in range(2))
        return all(map(torch.equal, first, again))
