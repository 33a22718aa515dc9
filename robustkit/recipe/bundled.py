"""The recipes that travel with robustkit, as a plugin like any other."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from robustkit.components.hookimpl import hookimpl

PLUGIN = "recipes"
"""What the plugin is called, which lists show beside its recipes and sweeps."""


def recipes_folder() -> Traversable:
    """The folder of the bundled recipes: inside the installed package, or beside it in a source checkout."""
    packaged = files("robustkit") / "recipes"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "recipes"


def bundled_sweeps() -> dict[str, Traversable]:
    """The sweeps that travel with robustkit, by name in alphabetical order."""
    folder = recipes_folder() / "sweeps"
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".yaml")), key=lambda item: item.name)
    return {item.name.removesuffix(".yaml"): item for item in files}


@hookimpl
def register_recipes() -> Mapping[str, Traversable]:
    """Every YAML file of the folder, by its name without the ending."""
    found = (item for item in recipes_folder().iterdir() if item.name.endswith(".yaml"))
    return {item.name.removesuffix(".yaml"): item for item in found}
