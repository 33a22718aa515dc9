"""What attacks for a minimal norm look for: the nearest image of each example that the model gets wrong."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from robustkit.components.attack import Budget, Norm
from robustkit.errors import Problem
from robustkit_attacks.margin import Margin
from robustkit_attacks.portions import portions
from robustkit_attacks.units import pixel_problems

ORDERS = {"Linf": torch.inf, "L2": 2.0, "L1": 1.0}


def budget_of(norm: Norm, eps: float | None) -> Budget | None:
    """The promise of an attack for a minimal norm: none where it has no radius."""
    return None if eps is None else Budget(norm, eps)


def radius_problems(norm: Norm, eps: float | None) -> Iterable[Problem]:
    """A radius in 8-bit units."""
    return pixel_problems(norm, eps=eps)


def column(values: Tensor, like: Tensor) -> Tensor:
    """One value an example, shaped to broadcast over the examples."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


@torch.no_grad()
def logits_of(model: nn.Module, images: Tensor) -> Tensor:
    """The logits without a graph, in the images' precision whatever the model computes in."""
    return torch.cat([model(part).to(images.dtype) for (part,) in portions(images)])


def surely_wrong(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether another class wins by more than rounding, so that the model says so in any batch."""
    return Margin()(logits, labels) > rounding(logits)


def rounding(logits: Tensor) -> Tensor:
    """By how much logits may differ from batch to batch, for each example (N,)."""
    return logits.abs().amax(dim=1) * (16.0 * torch.finfo(logits.dtype).eps)


class Closest:
    """The nearest misclassified image found so far for each example; `rows` are examples' places in the batch.

    Args:
        images: (N, ...), clean; not changed.
        labels: (N,).
        norm: in which distances are measured.
        eps: how near is near enough; None where nothing is.
    """

    def __init__(self, images: Tensor, labels: Tensor, norm: Norm, eps: float | None) -> None:
        self.clean, self.labels = images, labels
        self.images = images.clone()
        self.distances = torch.full((len(images),), torch.inf, dtype=images.dtype, device=images.device)
        self._order, self._eps = ORDERS[norm], eps

    def start(self, model: nn.Module) -> Tensor:
        """Look at the clean images, of which wrong ones are their own nearest; returns the logits (N, K)."""
        logits = logits_of(model, self.clean)
        self.distances[logits.argmax(dim=1) != self.labels] = 0.0
        return logits

    def consider(self, rows: Tensor, images: Tensor, wrong: Tensor) -> Tensor:
        """Keep these images of these examples where they are wrong and nearer than what is kept.

        Returns:
            Their distances, infinite where they are not wrong.
        """
        moved = (images - self.clean[rows]).flatten(1)
        distances: Tensor = torch.linalg.vector_norm(moved, self._order, dim=1).masked_fill(~wrong, torch.inf)
        nearer = distances < self.distances[rows]
        self.images[rows[nearer]] = images[nearer]
        self.distances[rows[nearer]] = distances[nearer]
        return distances

    def wanting(self, rows: Tensor | None = None) -> Tensor:
        """Which of these examples (by default, of all) still lack an image that is near enough: a mask."""
        distances = self.distances if rows is None else self.distances[rows]
        enough = 0.0 if self._eps is None else self._eps
        return distances > enough

    @property
    def result(self) -> Tensor:
        """What is kept; the clean image where nothing was found, or nothing near enough."""
        found = torch.isfinite(self.distances) if self._eps is None else ~self.wanting()
        return torch.where(column(found, self.images), self.images, self.clean)

    def search(self, model: nn.Module, steps: int) -> None:
        """Look for nearer ones on the lines from the clean images, by interpolation of the margin between both ends.

        Croce and Hein: Minimally Distorted Adversarial Examples with a Fast Adaptive Boundary Attack, ICML 2020,
        section 2.4, the final search.
        """
        rows = (self.wanting() & torch.isfinite(self.distances)).nonzero().squeeze(1)
        if steps == 0 or len(rows) == 0:
            return
        clean, labels, margin = self.clean[rows], self.labels[rows], Margin()
        way = self.images[rows] - clean
        right, wrong = torch.zeros_like(self.distances[rows]), torch.ones_like(self.distances[rows])
        below = margin(logits_of(model, clean), labels)
        above = margin(logits_of(model, self.images[rows]), labels)
        for _ in range(steps):
            share = right + (wrong - right) * (below / (below - above)).clamp(0.0, 1.0)
            share = share + 0.01 * (wrong - share)  # aimed just beyond the boundary, so that it ends up wrong
            images = clean + column(share, way) * way
            logits = logits_of(model, images)
            margins, beyond = margin(logits, labels), surely_wrong(logits, labels)
            self.consider(rows, images, beyond)
            right, below = torch.where(beyond, right, share), torch.where(beyond, below, margins)
            wrong, above = torch.where(beyond, share, wrong), torch.where(beyond, margins, above)
