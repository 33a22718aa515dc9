"""Values for a torchattacks constructor, checked against its defaults: it checks nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from robustkit.components.fields import number, shown
from robustkit.errors import Problem, did_you_mean, known
from robustkit_torchattacks.catalogue import Entry

Setting: TypeAlias = bool | str | float | tuple[float, ...] | None
"""What a constructor of torchattacks can be given in a recipe."""

_BESIDE = {"eps": "eps", "max_epsilon": "eps", "norm": "norm"}
"""What belongs beside `attack`, where it becomes the verified budget, by the constructors' names for it."""

_REAL = ("c", "kappa", "lam", "nsig", "scale")
"""Parameters whose default is a whole number by chance; all others like that count something."""


def read(entry: Entry, given: Mapping[str, Setting]) -> tuple[dict[str, Any], list[Problem]]:
    """The values as the constructor wants them, and what is wrong with those that cannot be."""
    values: dict[str, Any] = {}
    problems = []
    for name, value in given.items():
        path = ("parameters", name)
        if name in _BESIDE and name in entry.defaults:
            text = f"belongs beside `attack`, as `{_BESIDE[name]}`, where the result is verified against it."
            problems.append(Problem(path, text, on_key=True))
        elif name not in entry.defaults:
            names = [known_name for known_name in entry.defaults if known_name not in _BESIDE]
            text = f"torchattacks' {entry.name} has no parameter {name!r}.{did_you_mean(name, names)} {known(names)}"
            problems.append(Problem(path, text, on_key=True))
        else:
            default = entry.defaults[name]
            values[name], expected = _value(name, default, value)
            if expected:
                problems.append(Problem(path, f"expected {expected}, as its default {default!r}, got {shown(value)}."))
    return values, problems


def _value(name: str, default: Any, value: Setting) -> tuple[Any, str]:
    """The converted value, and what was expected where it cannot be converted."""
    if isinstance(default, bool):
        return value, "" if isinstance(value, bool) else "true or false"
    if isinstance(default, str):
        return value, "" if isinstance(value, str) else "text"
    if isinstance(default, tuple):
        return _numbers(name, default, value)
    if default is None and value is None:
        return None, ""
    parsed = number(value) if isinstance(value, str) else value
    if isinstance(parsed, bool) or not isinstance(parsed, int | float):
        return None, "a number" if default is not None else "a number or null"
    if isinstance(default, float):
        return float(parsed), ""
    if float(parsed).is_integer():
        return int(parsed), ""
    return parsed, "" if name in _REAL or default is None else "a whole number"


def _numbers(name: str, default: tuple[Any, ...], value: Setting) -> tuple[Any, str]:
    if not isinstance(value, tuple) or len(value) != len(default):
        return None, f"a list of {len(default)} numbers"
    converted = [_value(name, *pair) for pair in zip(default, value, strict=True)]
    wrong = next((f"a list of {len(default)} numbers, {expected} each" for _, expected in converted if expected), "")
    return tuple(item for item, _ in converted), wrong
