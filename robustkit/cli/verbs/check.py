"""`robustkit check`: is this a recipe that can be run?"""

from __future__ import annotations

import click

from robustkit.cli.kinds import counted
from robustkit.cli.output import json_option, print_json
from robustkit.cli.plugin_options import PluginChoice, plugin_options
from robustkit.cli.recipe_argument import recipe_arguments


@click.command("check")
@recipe_arguments
@json_option
@plugin_options
def command(recipe: str, overrides: tuple[str, ...], as_json: bool, choice: PluginChoice) -> None:
    """Check a recipe: every problem at once, each in its place.

    RECIPE is a file, a results folder or an installed recipe's name; PATH=VALUE words change it, for example seed=2
    or learners.natural.optimizer.lr=0.1. Data and networks are not touched: `robustkit run --dry-run` builds them too.
    """
    from robustkit.errors import RecipeError
    from robustkit.recipe.loader import load_recipe

    plugins = choice.load()
    try:
        built = load_recipe(recipe, *overrides, registry=plugins.registry)
    except RecipeError as error:
        if not as_json:
            raise
        from robustkit.errors import dotted

        problems = [{"path": dotted(problem.path), "message": problem.message} for problem in error.problems]
        print_json({"ok": False, "problems": problems, "text": str(error)})
        click.get_current_context().exit(error.exit_code)
    if as_json:
        return print_json({"ok": True, "name": built.name, "problems": []})
    learners = f"{counted(len(built.learners), 'learner')} ({', '.join(built.learners)})"
    trained = f"{built.architecture.name} on {built.dataset.name}, {counted(built.epochs, 'epoch')}, {learners}"
    click.echo(f"ok: {built.name}: {trained}, aggregator {built.aggregator.name}")
    return None
