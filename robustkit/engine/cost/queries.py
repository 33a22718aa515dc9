"""How often an attack asks the network, learnt from a stand-in that answers at once."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.components.architecture import ImageShape
from robustkit.components.attack import Attack

_SIZES = (4, 32)  # two batches, from which what a call costs and what an image costs are told apart
_WAVES = 8


@dataclass(frozen=True)
class Queries:
    """What an attack on one batch takes."""

    forwards: float
    """Images forwarded, for each image attacked."""
    backwards: float
    """Images led back to their pixels, for each image attacked."""
    batch_seconds: float
    """The attack's own time for a batch, whatever its size: without the network."""
    image_seconds: float
    """The attack's own time for each image, beside that."""


def queries(
    attack: Attack, image_shape: ImageShape, classes: int, *, stands: bool, device: torch.device, dtype: torch.dtype
) -> Queries:
    """Run the attack on a network of almost no cost.

    Args:
        attack: any.
        image_shape: of the images.
        classes: of the network.
        stands: the network withstands every attack, which so goes on to its end; else any attack breaks it soon.
        device: where.
        dtype: of images and weights.

    Raises:
        RobustkitError: whatever the attack raises.
    """
    found = []
    for images in (_SIZES[0], *_SIZES):  # the first time warms up
        stand_in = _StandIn(image_shape, classes, stands=stands).to(device, dtype).eval()
        drawn = torch.Generator().manual_seed(images)
        batch = torch.rand(images, *image_shape, generator=drawn).to(device, dtype)
        labels = stand_in(batch).argmax(1)
        stand_in.forwards = 0
        began = time.perf_counter()
        perturb(attack, stand_in, batch, labels, seed=0)
        found.append((time.perf_counter() - began, stand_in.forwards, stand_in.backwards))
    _, (few, _, _), (many, forwards, backwards) = found
    each = max(0.0, (many - few) / (_SIZES[1] - _SIZES[0]))
    return Queries(forwards / _SIZES[1], backwards / _SIZES[1], max(0.0, few - each * _SIZES[0]), each)


class _StandIn(nn.Module):
    """Hardly a network, and counts of what goes through it.

    Its logits are sums of sines of projections of the pixels, so that the signs of gradients change all the time, and
    differently for each pixel: an attack neither comes to rest nor finds itself where it was before. Where it stands,
    they are small beside a constant.
    """

    def __init__(self, image_shape: ImageShape, classes: int, *, stands: bool) -> None:
        super().__init__()
        pixels, drawn = math.prod(image_shape), torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(pixels, _WAVES, generator=drawn) * 500 / math.sqrt(pixels))
        numbers = torch.arange(classes, dtype=torch.float32)
        self.register_buffer("shift", 7 * numbers[:, None] * torch.arange(1, _WAVES + 1))
        self.register_buffer("constant", (numbers == 0).float() - numbers / classes / 2 if stands else 0 * numbers)
        self.height = 0.05 if stands else 1.0
        self.forwards = self.backwards = 0

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K)."""
        self.forwards += len(images)
        waves = (images.flatten(1) @ self.weight)[:, None] + self.get_buffer("shift")
        logits: Tensor = self.get_buffer("constant") + self.height * waves.sin().sum(2)
        if logits.requires_grad:
            logits.register_hook(self._went_back)  # type: ignore[no-untyped-call]
        return logits

    def _went_back(self, gradient: Tensor) -> None:
        self.backwards += len(gradient)
