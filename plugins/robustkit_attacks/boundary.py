"""Decision boundaries, linearized at the images: the hyperplanes that FAB and DeepFool go to."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustkit_attacks.portions import portions
from robustkit_attacks.slope import gradient_of


def linearized(model: nn.Module, images: Tensor, labels: Tensor, others: Tensor, order: float) -> tuple[Tensor, Tensor]:
    """The nearest of the boundaries between the true class and some others, as hyperplanes.

    One forward, and one backward for each other class.

    Args:
        model: maps images to logits (N, K).
        images: (N, ...), at which the logits are linearized.
        labels: (N,), the true classes.
        others: (N, J), the other classes.
        order: of the norm that measures normals; the dual of the norm that measures distances.

    Returns:
        The other class's logit minus the true one's (N,), and its gradient (N, D).

    Raises:
        AttackError: the logits do not depend on the images in a way that has a gradient.
    """
    parts = [_linearized(model, order, *part) for part in portions(images, labels, others)]
    differences, normals = zip(*parts, strict=True)
    return torch.cat(differences), torch.cat(normals)


def _linearized(
    model: nn.Module, order: float, images: Tensor, labels: Tensor, others: Tensor
) -> tuple[Tensor, Tensor]:
    images = images.detach().requires_grad_()
    logits = model(images).to(images.dtype)
    differences = logits.gather(1, others) - logits.gather(1, labels.unsqueeze(1))
    last = others.shape[1] - 1
    difference, normal = differences[:, 0], _gradient(differences[:, 0], images, keep=last > 0)
    nearest = _distance(difference, normal, order) if last else difference
    for column in range(1, last + 1):
        gradient = _gradient(differences[:, column], images, keep=column < last)
        distance = _distance(differences[:, column], gradient, order)
        nearer = distance < nearest
        nearest = torch.where(nearer, distance, nearest)
        difference = torch.where(nearer, differences[:, column], difference)
        normal = torch.where(nearer.unsqueeze(1), gradient, normal)
    return difference.detach(), normal


def other_classes(labels: Tensor, logits: Tensor, count: int) -> Tensor:
    """The classes with the largest logits without the true one: (N, min(count, K - 1)), largest first."""
    ranked = logits.scatter(1, labels.unsqueeze(1), -torch.inf).argsort(dim=1, descending=True, stable=True)
    return ranked[:, : min(count, logits.shape[1] - 1)]


def _gradient(differences: Tensor, images: Tensor, keep: bool) -> Tensor:
    return gradient_of(differences, images, keep=keep).nan_to_num().flatten(1)


def _distance(difference: Tensor, normal: Tensor, order: float) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(normal, order, dim=1)
    return difference.detach().abs() / length.clamp_min(torch.finfo(normal.dtype).tiny)
