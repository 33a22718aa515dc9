"""`robustkit plugins`: what is installed, what it brings, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from robustkit.cli.kinds import counted
from robustkit.cli.output import json_option, print_json, table
from robustkit.cli.plugin_options import PluginChoice, plugin_options

if TYPE_CHECKING:
    from robustkit.plugin.manager import Plugins


@click.command("plugins")
@click.option("--check", "checking", is_flag=True, help="End with exit code 2 if anything is wrong with a plugin.")
@json_option
@plugin_options
def command(checking: bool, as_json: bool, choice: PluginChoice) -> None:
    """Show every plugin: its origin, what it brings, what is wrong.

    Plugins that cannot be used are listed with their full error and the way out.
    """
    plugins = choice.load(silent=True)
    found, troubles = _survey(plugins), plugins.registry.troubles
    if as_json:
        print_json({"plugins": found, "troubles": troubles})
    else:
        _show(found, troubles)
    if checking and troubles:
        click.get_current_context().exit(2)


def _survey(plugins: Plugins) -> list[dict[str, Any]]:
    """Usable plugins, then those that are disabled or broken, by name."""
    from importlib.metadata import entry_points

    from robustkit.plugin.manager import GROUP
    from robustkit.plugin.registry import Origin

    used = plugins.registry.origins
    installed = [
        Origin(entry.name, entry.dist.name if entry.dist else "unknown", entry.dist.version if entry.dist else "")
        for entry in entry_points(group=GROUP)
    ]
    rest = [origin for origin in installed if origin not in used]
    return [_one(plugins, origin) for origin in sorted({*used, *rest}, key=lambda origin: origin.plugin)]


def _one(plugins: Plugins, origin: Any) -> dict[str, Any]:
    registry = plugins.registry
    brings: dict[str, list[str]] = {}
    for kind, name, registered in registry.listing():
        if registered.origin == origin:
            brings.setdefault(kind, []).append(name)
    recipes = sorted(name for name, (_, source) in registry.recipes.items() if source == origin)
    brings |= {"recipe": recipes} if recipes else {}
    troubles = [text for text in registry.troubles if str(origin) in text]
    status = "in use" if origin in registry.origins else "broken"
    if status == "broken" and origin.plugin in plugins.disabled:
        status = "disabled"
    return {
        "name": origin.plugin,
        "distribution": origin.distribution,
        "version": origin.version,
        "status": "in trouble" if status == "in use" and troubles else status,
        "brings": brings,
        "troubles": troubles,
    }


def _show(found: list[dict[str, Any]], troubles: list[str]) -> None:
    rows = []
    for plugin in found:
        brings = ", ".join(counted(len(names), kind) for kind, names in plugin["brings"].items()) or "-"
        source = " ".join(part for part in (plugin["distribution"], plugin["version"]) if part)
        rows.append([plugin["name"], source, plugin["status"], brings])
    click.echo(table(["plugin", "from", "status", "brings"], rows))
    if troubles:
        click.echo(f"\n{counted(len(troubles), 'trouble')}:")
        for text in troubles:
            click.echo(f"- {text}")
