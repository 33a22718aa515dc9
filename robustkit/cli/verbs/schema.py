"""`robustkit schema`: the JSON Schema of recipes."""

from __future__ import annotations

import click

from robustkit.cli.output import print_json
from robustkit.cli.plugin_options import PluginChoice, plugin_options


@click.command("schema")
@plugin_options
def command(choice: PluginChoice) -> None:
    """Print the JSON Schema of recipes, for editors.

    With it an editor completes and checks a recipe as it is typed; it knows the components of the installed plugins.
    Save it (robustkit schema > recipe.schema.json) and name it in a recipe's first line:
    # yaml-language-server: $schema=recipe.schema.json
    """
    from robustkit.recipe.json_schema import recipe_schema

    print_json(recipe_schema(choice.load().registry))
