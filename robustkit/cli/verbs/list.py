"""`robustkit list`: what recipes can name, and the recipes and sweeps that are there to be run."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from robustkit.cli.kinds import KINDS, RECIPE, SWEEP, Noun, plural
from robustkit.cli.output import json_option, print_json
from robustkit.cli.plugin_options import PluginChoice, plugin_options

if TYPE_CHECKING:
    from robustkit.plugin.registry import Registry

Row = tuple[str, str, str]  # name, plugin, summary


@click.command("list")
@click.argument("kind", type=Noun(SWEEP), required=False)
@json_option
@plugin_options
def command(kind: str | None, as_json: bool, choice: PluginChoice) -> None:
    """List components, recipes and sweeps, one line each.

    KIND is attacks, architectures, strategies, losses, aggregators, datasets, optimizers, schedules, augmentations,
    searchers, recipes or sweeps; by default all of them. `robustkit show NAME` tells more about a component or recipe.
    """
    registry = choice.load().registry
    listing = {noun: _rows(registry, noun) for noun in ([kind] if kind else [*KINDS, RECIPE, SWEEP])}
    if as_json:
        keys = ("name", "plugin", "summary")
        print_json({noun: [dict(zip(keys, row, strict=True)) for row in rows] for noun, rows in listing.items()})
        return
    shown = {noun: rows for noun, rows in listing.items() if rows or kind}
    click.echo("\n\n".join(_section(noun, rows) for noun, rows in shown.items()))


def _rows(registry: Registry, noun: str) -> list[Row]:
    from robustkit.cli.recipe_text import summary
    from robustkit.plugin.description import first_sentence, own_doc
    from robustkit.recipe.bundled import PLUGIN, bundled_sweeps

    if noun == SWEEP:
        return [(name, PLUGIN, summary(file.read_text(encoding="utf-8"))) for name, file in bundled_sweeps().items()]
    if noun == RECIPE:
        recipes = sorted(registry.recipes.items())
        return [(name, origin.plugin, summary(file.read_text(encoding="utf-8"))) for name, (file, origin) in recipes]
    return [
        (name, found.origin.plugin, first_sentence(own_doc(found.cls)))
        for kind, name, found in registry.listing()
        if kind == noun
    ]


def _section(noun: str, rows: list[Row]) -> str:
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    lines = [f"  {name:<{widths[0]}}  {plugin:<{widths[1]}}  {text}".rstrip() for name, plugin, text in rows]
    return "\n".join([click.style(plural(noun), bold=True), *map(_fitted, lines or ["  none"])])


def _fitted(line: str) -> str:
    """On a terminal, cut to its width: one line stays one line."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else len(line)
    return line if len(line) <= width else f"{line[: width - 1].rstrip()}…"
