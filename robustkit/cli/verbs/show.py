"""`robustkit show`: one component or recipe, in full."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustkit.cli.kinds import KINDS, RECIPE, Noun
from robustkit.cli.output import json_option, print_json
from robustkit.cli.plugin_options import PluginChoice, plugin_options

if TYPE_CHECKING:
    from robustkit.plugin.registry import Registered, Registry


@click.command("show", options_metavar="[OPTIONS]")
@click.argument("words", metavar="[KIND] NAME [PATH=VALUE]...", nargs=-1, required=True)
@json_option
@plugin_options
def command(words: tuple[str, ...], as_json: bool, choice: PluginChoice) -> None:
    """Show a component's fields, or a recipe with all its defaults.

    \b
    robustkit show pgd                  a component whose name is the only one of its kind
    robustkit show loss cross-entropy   a component by kind and name
    robustkit show recipe generalist    an installed recipe
    robustkit show my.yaml seed=2       a file or results folder, with changes
    """
    overrides = tuple(word for word in words if "=" in word)
    names = [word for word in words if "=" not in word]
    if len(names) not in (1, 2):
        raise click.UsageError(f"expected NAME or KIND NAME, got {' '.join(names) or 'neither'}.")
    registry = choice.load().registry
    kind, name = _found(registry, names)
    if kind == RECIPE:
        return _show_recipe(registry, name, overrides, as_json)
    if overrides:
        raise click.UsageError(f"{overrides[0]} changes recipes, {name!r} is a component.")
    registered = registry.find(kind, name)
    return print_json(_plain(registered)) if as_json else click.echo(_text(registered))


def _found(registry: Registry, names: list[str]) -> tuple[str, str]:
    """The kind and the name that the words mean.

    Raises:
        InputError: nothing has this name, or several things have.
    """
    from robustkit.errors import InputError, did_you_mean

    if len(names) == 2:
        return Noun().convert(names[0], None, click.get_current_context()), names[1]
    name = names[0]
    if name.endswith((".yaml", ".yml")) or Path(name).exists():
        return RECIPE, name
    kinds = [kind for kind in KINDS if name.replace("_", "-") in registry.components[kind]]
    kinds += [RECIPE] if name in registry.recipes else []
    if len(kinds) == 1:
        return kinds[0], name
    if kinds:
        ways = " or ".join(f"robustkit show {kind} {name}" for kind in kinds)
        raise InputError(f"{len(kinds)} things are named {name!r}: {ways}.")
    everything = [known for _, known, _ in registry.listing()]
    hint = did_you_mean(name, [*everything, *registry.recipes])
    raise InputError(f"nothing is named {name!r}.{hint} `robustkit list` shows all names.")


def _show_recipe(registry: Registry, name: str, overrides: tuple[str, ...], as_json: bool) -> None:
    import yaml

    from robustkit.recipe.loader import load_recipe
    from robustkit.recipe.lock import resolved

    data = resolved(load_recipe(name, *overrides, registry=registry))
    if as_json:
        return print_json(data)
    return click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120), nl=False)


def _plain(registered: Registered) -> dict[str, Any]:
    from robustkit.plugin.description import describe_component

    return {**asdict(describe_component(registered.cls)), "origin": asdict(registered.origin)}


def _text(registered: Registered) -> str:
    """Name, docstring and fields, to be read."""
    from robustkit.plugin.description import FieldDescription, brief, describe_component

    def lines(field: FieldDescription) -> list[str]:
        default = "required" if field.required else f"default {brief(field.default)}"
        head = f"  {click.style(field.name, bold=True)}: {field.type}; {default}"
        return [head, *(f"      {line}" for line in field.doc.splitlines())]

    found = describe_component(registered.cls)
    text = [f"{click.style(found.name, bold=True)}, {_a(found.kind)} of plugin {registered.origin}", "", found.doc, ""]
    text += ["Fields:" if found.fields else "It has no fields."]
    return "\n".join([*text, *(line for field in found.fields for line in lines(field))])


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
