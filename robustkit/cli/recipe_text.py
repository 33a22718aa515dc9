"""What a recipe's opening comment says."""

from __future__ import annotations

from itertools import takewhile

from robustkit.plugin.description import first_sentence


def summary(text: str) -> str:
    """The first sentence of a recipe's opening comment; empty where it has none."""
    comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
    return first_sentence("\n".join(line.removeprefix("#").strip() for line in comment))
