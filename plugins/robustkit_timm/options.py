"""Options that are handed on to timm: plain recipe values in, Python arguments out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from robustkit.errors import Problem

Option: TypeAlias = float | bool | str | tuple[float, ...]
"""A number, a truth value, text, or a list of numbers."""


def arguments(options: Mapping[str, Option]) -> dict[str, Option]:
    """The options with whole numbers as `int`, which counts and sizes must be; a list only where all of it is whole."""
    return {name: _whole(value) for name, value in options.items()}


def _whole(value: Option) -> Option:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, tuple) and all(item.is_integer() for item in value):
        return tuple(int(item) for item in value)
    return value


def reserved(options: Mapping[str, Option], homes: Mapping[str, str]) -> Iterable[Problem]:
    """A problem for each option that has another home; `homes` says where, by name."""
    for name in options:
        if name in homes:
            yield Problem(("options", name), f"{name!r} is no option: {homes[name]}.", on_key=True)
