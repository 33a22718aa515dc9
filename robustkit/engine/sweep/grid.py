"""The axes of a grid: a setting of the recipe, and the values it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from robustkit.errors import InputError, Problem
from robustkit.recipe.document import parse
from robustkit.recipe.words import split_outside_brackets

_RANGE = re.compile(r"\s*(-?\d{1,18})\.\.(-?\d{1,18})\s*")
_BREAK = re.compile("[\\n\\r\\x85\\u2028\\u2029]")
_MOST = 10_000
RESERVED = {
    "seed": "seeds have a key of their own, `seeds`.",
    "name": "a sweep names its runs itself, after what is varied.",
    "lock": "a recipe's lock is written by its run.",
}
"""Paths that no sweep varies, and why."""
_FORM = "PATH=VALUE,VALUE,... or PATH=FIRST..LAST, for example aggregator.every_epochs=1,5,10 or seed=1..5"


@dataclass(frozen=True)
class Axis:
    """A path in the recipe, and its values as plain data."""

    path: str
    values: tuple[Any, ...]


def axis_from(word: str) -> Axis:
    """The axis that `PATH=1,5,10`, `PATH=1..5` or `PATH={use: wa},{use: swa}` describes.

    Raises:
        InputError: the word is none, or a value is not YAML.
    """
    path, equals, text = word.partition("=")
    if not equals or not path.strip() or not text.strip():
        raise InputError(f"grid {word!r}: expected {_FORM}.")
    return Axis(path.strip(), tuple(values_in(text, f"grid {word!r}")))


def values_in(text: str, where: str) -> Iterator[Any]:
    """The values between commas, each YAML; `1..5` stands for the whole numbers from 1 to 5.

    Raises:
        InputError: one of them is empty, no YAML, or a range that does not rise; it begins with `where`.
    """
    for item in split_outside_brackets(text):
        bounds = _RANGE.fullmatch(item)
        if bounds:
            first, last = int(bounds[1]), int(bounds[2])
            if not first <= last < first + _MOST:
                raise InputError(f"{where}: expected a range that rises by less than {_MOST}, got {item.strip()}.")
            yield from range(first, last + 1)
            continue
        document = parse(item, "grid")
        if document.problems or not item.strip():
            fault = document.problems[0].message if document.problems else "a value is missing between commas."
            raise InputError(f"{where}: {fault}")
        yield document.data


def wrong_paths(paths: Iterable[str], where: tuple[str, ...]) -> Iterable[Problem]:
    """Those of the paths that no sweep varies; the problems' own paths begin with `where`."""
    for path in paths:
        if path in RESERVED:
            yield Problem((*where, path), RESERVED[path], on_key=True)


class _OneLine(yaml.SafeDumper):
    """Writes texts of several lines with escapes; YAML's own choice for them is a text of several lines."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Between double quotes where it has a line break."""
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if _BREAK.search(data) else None)


_OneLine.add_representer(str, _OneLine.represent_str)


def flow(value: Any) -> str:
    """Plain data as YAML in one line, as an override word holds it."""
    text = yaml.dump(value, Dumper=_OneLine, default_flow_style=True, sort_keys=False, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...")
