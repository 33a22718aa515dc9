"""`robustkit init`: a recipe to edit."""

from __future__ import annotations

from pathlib import Path

import click

from robustkit.cli.plugin_options import PluginChoice, plugin_options
from robustkit.cli.recipe_argument import RecipeName


@click.command("init")
@click.argument("name", type=RecipeName())
@click.argument("dest", required=False, type=click.Path(path_type=Path))
@plugin_options
def command(name: str, dest: Path | None, choice: PluginChoice) -> None:
    """Copy an installed recipe, to edit it.

    NAME is one of `robustkit list recipes`. DEST is a file or a folder; by default ./NAME.yaml.
    """
    from robustkit.errors import InputError, did_you_mean, known

    recipes = choice.load().registry.recipes
    name = name.removesuffix(".yaml")
    if name not in recipes:
        raise InputError(f"there is no installed recipe {name!r}.{did_you_mean(name, recipes)} {known(recipes)}")
    target = dest or Path(f"{name}.yaml")
    if target.is_dir():
        target = target / f"{name}.yaml"
    # The opening comment says how to run the recipe: of the copy it shall say how to run the copy.
    text = recipes[name][0].read_text(encoding="utf-8").replace(f"recipes/{name}.yaml", str(target))
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{target}: is there already. Name another file: robustkit init {name} DEST") from None
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}.") from error
    click.echo(f"{target} is yours to edit; run it with: robustkit run {target}")
