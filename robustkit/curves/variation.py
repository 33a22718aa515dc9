"""Attacks with one setting changed: another eps, or other steps."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

from robustkit.components.attack import Attack, Budget
from robustkit.components.examples import Examples
from robustkit.errors import InputError


def with_eps(attack: Attack, eps: float) -> Attack:
    """The attack with another eps; of one that wraps another (`eot`, `transfer`), the inner attack's.

    A `step_size` that is given grows or shrinks with eps, so that the steps reach as far into the ball as before. Of
    attacks that look for the nearest example (whose eps may be null) it has nothing to do with eps and stays.

    Raises:
        InputError: it has no field `eps`, or its step size cannot be scaled from an eps of 0.
    """
    found: Any = holder_of(attack, "eps")
    changes: dict[str, Any] = {"eps": eps}
    length = getattr(found, "step_size", None)
    if length is not None and not _may_be_null(found, "eps"):
        if not found.eps:
            raise InputError(f"attack {found.name!r}: its step_size cannot be scaled from an eps of 0. Give it an eps.")
        scaled = length * eps / found.eps
        changes["step_size"] = min(scaled, 1.0) if _norm(found) == "Linf" else scaled  # 1 is a pixel's whole range
    return _replaced(attack, found, changes)


def with_steps(attack: Attack, steps: int) -> Attack:
    """The attack with other steps, everything else as it is; of one that wraps another, the inner attack's.

    Raises:
        InputError: it has no field `steps`.
    """
    return _replaced(attack, holder_of(attack, "steps"), {"steps": steps})


def holder_of(attack: Attack, field: str) -> Attack:
    """The attack itself, or the one that it wraps, which has this field.

    Raises:
        InputError: none has.
    """
    found: Any = attack
    while isinstance(found, Attack):
        if any(item.name == field for item in fields(found)):
            return found
        found = getattr(found, "attack", None)
    raise InputError(f"attack {attack.name!r} has no field {field!r}, so no curve over it can be drawn. Take another.")


def budget_of(attack: Attack) -> Budget:
    """The attack's budget.

    Raises:
        InputError: it has none.
    """
    if attack.budget is None:
        raise InputError(f"attack {attack.name!r} has no eps: give it one, or take another attack.")
    return attack.budget


def whole_range(budget: Budget, examples: Examples) -> float:
    """The eps within which every image reaches every other one: 1 in Linf, a root or a number of pixel values else."""
    channels, height, width = examples.image_shape
    pixels = float(channels * height * width)
    return {"Linf": 1.0, "L2": math.sqrt(pixels), "L1": pixels}[budget.norm]


def _replaced(attack: Any, found: Attack, changes: dict[str, Any]) -> Attack:
    """The attack in which `found`, itself or something inside, is changed."""
    if attack is not found:
        changes = {"attack": _replaced(attack.attack, found, changes)}
    changed: Attack = replace(attack, **changes)
    return changed


def _may_be_null(attack: Attack, field: str) -> bool:
    return any(item.name == field and item.default is None for item in fields(attack))


def _norm(attack: Attack) -> str | None:
    return attack.budget.norm if attack.budget else None
