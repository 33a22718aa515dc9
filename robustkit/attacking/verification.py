"""Are these images, and did the attack keep its promise? Checked in the images' own precision, never in the model's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from robustkit.components.attack import Attack, Budget
from robustkit.errors import AttackError, InputError, RobustkitError

Judge: TypeAlias = Callable[..., RobustkitError | None]
"""Given measured figures as floats, says what is wrong with them, or None."""

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
    if images.numel():
        _judge([*torch.aminmax(images.detach())], _out_of_range)


def _out_of_range(low: float, high: float) -> RobustkitError | None:
    if low >= -TOLERANCE and high <= 1 + TOLERANCE:
        return None
    if math.isnan(low):
        return InputError(
            f"expected images in [0, 1], got values from {low:g} to {high:g}: some are not a number. Look where the "
            "images are made, for a division by zero say."
        )
    return InputError(
        f"expected images in [0, 1], got values from {low:g} to {high:g}. Images must be plain pixels: "
        "put a normalization inside the model (the recipe's `normalization`), so that eps means pixels."
    )


def distances(adversarial: Tensor, images: Tensor, norm: str) -> Tensor:
    """The perturbation's norm for each example, shape (N,)."""
    difference = (adversarial - images).flatten(1)
    moved: Tensor = torch.linalg.vector_norm(difference, {"Linf": torch.inf, "L2": 2, "L1": 1}[norm], dim=1)
    return moved


def verified(attack: Attack, adversarial: Tensor, images: Tensor) -> Tensor:
    """The attack's result, clamped to [0, 1] exactly, if it is inside one of the attack's budgets.

    Raises:
        AttackError: it is not of the images' shape and type, not finite, or outside all its budgets or [0, 1].
    """
    name = attack.name or type(attack).__name__
    if not isinstance(adversarial, Tensor) or adversarial.shape != images.shape or adversarial.dtype != images.dtype:
        raise AttackError(f"attack {name}: expected images like {_brief(images)}, got {_brief(adversarial)}.")
    adversarial = adversarial.detach()
    figures, budgets = [*torch.aminmax(adversarial)], attack.budgets
    if len(budgets) > 1:
        figures.append(torch.stack([_excess(adversarial, images, budget) for budget in budgets]).amin(0).max())
    elif budgets and budgets[0].norm == "Linf":
        figures += torch.aminmax(adversarial - images)
    elif budgets:
        figures.append(distances(adversarial, images, budgets[0].norm).max())
    _judge(figures, partial(_broken, name, budgets))
    return adversarial.clamp(0.0, 1.0)


def _excess(adversarial: Tensor, images: Tensor, budget: Budget) -> Tensor:
    """How far each example lies outside the ball, shape (N,); not above 0 inside it."""
    return distances(adversarial, images, budget.norm) - _reach(budget)


def _reach(budget: Budget) -> float:
    return budget.eps * (1 + 1e-5) + TOLERANCE


def _broken(name: str, budgets: Sequence[Budget], low: float, high: float, *moved: float) -> RobustkitError | None:
    """`moved` is the greatest distance, in Linf the least and the greatest change of a pixel, or an `_excess`."""
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        text = f"attack {name} returned values from {low:g} to {high:g}, outside [0, 1]: result refused."
        return AttackError(text)
    if not budgets:
        return None
    if len(budgets) > 1:
        balls = ", ".join(map(str, budgets))
        text = f"attack {name} moved an image out of all its balls ({balls}), by {moved[0]:g} or more: result refused."
        return None if moved[0] <= 0 else AttackError(text)
    farthest, (budget,) = max(abs(change) for change in moved), budgets
    if farthest <= _reach(budget):
        return None
    return AttackError(
        f"attack {name} moved an image by {farthest:g} in {budget.norm}, its budget is eps {budget.eps:g}: "
        "result refused."
    )


class Verdicts:
    """Checks whose figures still lie on the device: reading them would make the program wait for it.

    Nothing that depends on what they are about may be kept before `read` has passed.
    """

    def __init__(self) -> None:
        self._open: list[tuple[list[Tensor], Judge]] = []

    def add(self, figures: list[Tensor], judge: Judge) -> None:
        """Keep figures, scalars, to be judged later."""
        self._open.append((figures, judge))

    def read(self) -> None:
        """Judge everything that was added.

        Raises:
            InputError, AttackError: the first check that failed.
        """
        opened, self._open = self._open, []
        if opened:
            values = iter(torch.stack([figure for figures, _ in opened for figure in figures]).tolist())
            for figures, judge in opened:
                _raise(judge(*(next(values) for _ in range(len(figures)))))


_verdicts: ContextVar[Verdicts | None] = ContextVar("verdicts", default=None)


@contextmanager
def judged_later(verdicts: Verdicts) -> Iterator[None]:
    """Within it, checks of values go to these verdicts, which the caller reads; those of shapes and types do not."""
    token = _verdicts.set(verdicts)
    try:
        yield
    finally:
        _verdicts.reset(token)


def _judge(figures: list[Tensor], judge: Judge) -> None:
    verdicts = _verdicts.get()
    if verdicts is None:
        _raise(judge(*torch.stack(figures).tolist()))
    else:
        verdicts.add(figures, judge)


def _raise(error: RobustkitError | None) -> None:
    if error is not None:
        raise error


def _brief(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}"
    return repr(value)
