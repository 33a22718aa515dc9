"""`robustkit estimate`: what a run will take, before a day is spent."""

from __future__ import annotations

import sys

import click

from robustkit.cli.output import json_option, print_json
from robustkit.cli.plugin_options import PluginChoice, plugin_options
from robustkit.cli.recipe_argument import recipe_arguments


@click.command("estimate")
@recipe_arguments
@click.option(
    "--seconds",
    metavar="S",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="How long to measure, roughly; slow networks take longer.",
)
@json_option
@plugin_options
def command(recipe: str, overrides: tuple[str, ...], seconds: float, as_json: bool, choice: PluginChoice) -> None:
    """Say what a recipe's run will take: time, operations, memory.

    RECIPE and PATH=VALUE are as for `run`. The run is built, some of its steps are taken and thrown away, and what they
    cost is multiplied out. Nothing is kept. Use an idle machine, with as many threads as the run will have.
    """
    from robustkit.cli.forecast import forecast_text
    from robustkit.engine.cost.estimate import estimate
    from robustkit.engine.folder import RunFolder, new_folder
    from robustkit.engine.launch import surroundings
    from robustkit.engine.run import Run
    from robustkit.recipe.loader import load_recipe

    plugins = choice.load()
    built = load_recipe(recipe, *overrides, registry=plugins.registry)
    if sys.stderr.isatty():
        click.echo(f"Trying out {built.name} ...", err=True)
    with surroundings(built):
        run = Run(built, RunFolder(new_folder(built.name, None)), plugins)
        found = estimate(run, seconds)
    if as_json:
        print_json({"name": built.name, "device": str(run.device), **found.plain()})
    else:
        click.echo(forecast_text(run, found, recipe))
