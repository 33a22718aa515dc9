"""The nouns that verbs take for kinds of components; written here too, as asking the registry would import torch."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

KINDS = (
    "attack",
    "architecture",
    "strategy",
    "loss",
    "aggregator",
    "dataset",
    "optimizer",
    "schedule",
    "augmentation",
    "searcher",
)
RECIPE = "recipe"
SWEEP = "sweep"


def plural(noun: str) -> str:
    """`attacks`, `strategies`, `losses`, `batches`, but `epochs`."""
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith(("s", "atch")) else f"{noun}s"


def counted(number: int, noun: str) -> str:
    """`1 attack`, `2 losses`."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


class Noun(click.ParamType):  # type: ignore[type-arg]  # no generic in click 8.1
    """A kind, `recipe` or one of `others`, in the singular or the plural."""

    name = "kind"

    def __init__(self, *others: str) -> None:
        self._nouns = (*KINDS, RECIPE, *others)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The noun in the singular."""
        for noun in self._nouns:
            if value in (noun, plural(noun)):
                return noun
        from robustkit.errors import did_you_mean

        nouns = [plural(noun) for noun in self._nouns]
        text = f"there is no kind {value!r}.{did_you_mean(value, nouns)} Known: {', '.join(nouns)}."
        return self.fail(text, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The nouns, in the plural."""
        nouns = (plural(noun) for noun in self._nouns)
        return [CompletionItem(noun) for noun in nouns if noun.startswith(incomplete)]
