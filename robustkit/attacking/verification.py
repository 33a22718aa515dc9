"""Are these images, and did the attack keep its promise? Checked in the images' own precision, never in the model's."""

from __future__ import annotations

import torch
from torch import Tensor

from robustkit.components.attack import Attack, Budget
from robustkit.errors import AttackError, InputError

TOLERANCE = 1e-6
"""Float noise that is no violation: absolute for pixels and distances, beside 1e-5 relative for distances."""


def check_batch(images: Tensor, labels: Tensor) -> None:
    """Refuse what is no batch of labelled images in [0, 1].

    Raises:
        InputError: says what came, with the measured range.
    """
    if not isinstance(images, Tensor) or images.ndim < 2 or not images.is_floating_point():
        raise InputError(f"expected float images (N, C, H, W) in [0, 1], got {_brief(images)}.")
    if images.dtype not in (torch.float32, torch.float64):
        raise InputError(
            f"expected images as float32 or float64, got {_brief(images)}: in half precision a pixel moves in steps as "
            "large as a budget. Keep images in float32 and run the network under torch.autocast."
        )
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        raise InputError(f"expected {len(images)} labels as int64 of shape ({len(images)},), got {_brief(labels)}.")
    if labels.device != images.device:
        raise InputError(f"expected images and labels on one device, got {images.device} and {labels.device}.")
    check_range(images)


def check_range(images: Tensor) -> None:
    """Refuse images outside [0, 1], beyond float noise.

    Raises:
        InputError: gives the measured range and the usual cause.
    """
    if images.numel() == 0:
        return
    low, high = (float(value) for value in torch.aminmax(images.detach()))
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise InputError(
            f"expected images in [0, 1], got values from {low:g} to {high:g}. Images must be plain pixels: "
            "put a normalization inside the model (the recipe's `normalization`), so that eps means pixels."
        )


def distances(adversarial: Tensor, images: Tensor, norm: str) -> Tensor:
    """The perturbation's norm for each example, shape (N,)."""
    difference = (adversarial - images).flatten(1)
    moved: Tensor = torch.linalg.vector_norm(difference, {"Linf": torch.inf, "L2": 2, "L1": 1}[norm], dim=1)
    return moved


def verified(attack: Attack, adversarial: Tensor, images: Tensor) -> Tensor:
    """The attack's result, clamped to [0, 1] exactly, if it is inside the budget.

    Raises:
        AttackError: it is not of the images' shape and type, not finite, or outside the budget or [0, 1].
    """
    name = attack.name or type(attack).__name__
    if not isinstance(adversarial, Tensor) or adversarial.shape != images.shape or adversarial.dtype != images.dtype:
        raise AttackError(f"attack {name}: expected images like {_brief(images)}, got {_brief(adversarial)}.")
    adversarial = adversarial.detach()
    low, high = (float(value) for value in torch.aminmax(adversarial))
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise AttackError(f"attack {name} returned values from {low:g} to {high:g}, outside [0, 1]: result refused.")
    budget = attack.budget
    if budget is not None:
        _check_budget(name, distances(adversarial, images, budget.norm), budget)
    return adversarial.clamp(0.0, 1.0)


def _check_budget(name: str, moved: Tensor, budget: Budget) -> None:
    farthest = float(moved.max())
    if not farthest <= budget.eps * (1 + 1e-5) + TOLERANCE:
        count = int((moved > budget.eps * (1 + 1e-5) + TOLERANCE).sum())
        raise AttackError(
            f"attack {name} moved an image by {farthest:g} in {budget.norm}, its budget is eps {budget.eps:g}: "
            f"result refused ({count} of {len(moved)} images are outside)."
        )


def _brief(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    return repr(value)
