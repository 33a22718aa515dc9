"""What a network makes of images, refused where it is no classification."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from robustkit.errors import InputError


@torch.no_grad()
def classified(model: nn.Module, images: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Predictions (N,), int64, and cross-entropies (N,), float32, on the CPU.

    Raises:
        InputError: the output is not (N, K) for at least so many classes, or not finite.
    """
    logits = model(images)
    fits = isinstance(logits, Tensor) and logits.ndim == 2 and len(logits) == len(images)
    if not fits or logits.shape[1] < classes:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"expected logits ({len(images)}, {classes}) from the model, got {shape}.")
    if not bool(torch.isfinite(logits).all()):
        raise InputError("the model's logits are not finite: such a network has no accuracy.")
    losses = cross_entropy(logits.float(), labels, reduction="none")
    return logits.argmax(1).cpu(), losses.cpu()


def names_of(images: Tensor) -> Tensor:
    """A number for each image (N, ...), int64, on the CPU, made from its pixels as float32.

    Random numbers that belong to it follow an image wherever it stands, in whatever order or part of a data set.
    """
    rows = images.detach().to("cpu", torch.float32).contiguous().numpy()
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows]
    return torch.tensor([int.from_bytes(digest, "big", signed=True) for digest in digests], dtype=torch.int64)
