"""The RECIPE argument and the `path=value` words behind it, with completion that needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])


class RecipeName(click.ParamType):  # type: ignore[type-arg]  # no generic in click 8.1
    """A recipe's name, file or results folder; bundled names and files are completed."""

    name = "recipe"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Bundled recipes whose name begins so, else files."""
        names = [CompletionItem(name) for name in bundled_names() if name.startswith(incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


def bundled_names() -> list[str]:
    """The names of the bundled recipes."""
    from robustkit.recipe.bundled import recipes_folder

    return sorted(item.name.removesuffix(".yaml") for item in recipes_folder().iterdir() if item.name.endswith(".yaml"))


def recipe_arguments(function: Function) -> Function:
    """Give a verb RECIPE and its overrides, as the parameters `recipe` and `overrides`."""
    overrides = click.argument("overrides", metavar="[PATH=VALUE]...", nargs=-1)
    return click.argument("recipe", type=RecipeName())(overrides(function))
