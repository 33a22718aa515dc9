"""Whether a piece of YAML in the documentation is what a recipe takes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import yaml

from robustkit import Recipe, load_recipe, make
from robustkit.plugin.manager import installed
from robustkit.plugin.registry import KINDS
from robustkit.recipe.loader import read_recipe

SECTIONS = {field.name for field in fields(Recipe)}
NEEDED = {"name", "epochs", "dataset", "architecture", "learners", "aggregator"}
LEARNER = {"strategy", "optimizer", "averaging"}


def check_yaml(data: Any, where: str) -> None:
    """A whole recipe is loaded; sections are laid over a bundled recipe; a component is made.

    Raises:
        RecipeError, ComponentError, PluginError: it could not be used.
        AssertionError: it is nothing that a recipe has.
    """
    assert isinstance(data, dict), f"{where}: expected a mapping. Mark it `fragment` if it is no part of a recipe."
    keys = set(data)
    if keys >= NEEDED:
        load_recipe(data)
    elif keys <= SECTIONS and not (keys <= {"loss", "schedule"}):
        load_recipe(_laid_over(data))
    elif keys <= LEARNER | {"augmentation"}:
        load_recipe(_laid_over({"learners": {"robust": data}}))
    elif keys <= set(KINDS) | {"criterion", "lr"}:
        for key, value in data.items():
            _make({"criterion": "loss", "lr": "schedule"}.get(key, key), value)
    else:
        raise AssertionError(f"{where}: no part of a recipe has the keys {sorted(keys)}. Mark the block `fragment`?")


def _laid_over(sections: dict[str, Any]) -> dict[str, Any]:
    """A long run of the bundled Generalist recipe with these sections, whose learners and aggregator fit each other."""
    base = yaml.safe_load(read_recipe("generalist", installed().registry)[1]) | {"epochs": 1000}
    natural, robust = base["learners"]["natural"], base["learners"]["robust"]
    aggregator = sections.get("aggregator", {})
    fields = {"use": aggregator} if isinstance(aggregator, str) else aggregator
    if "learners" in sections:
        base["aggregator"] = "single" if len(sections["learners"]) == 1 else "wa"
        learners = {name: {**robust, **part} for name, part in sections["learners"].items()}
    elif fields.get("use") == "single":
        learners = {"robust": robust}
    else:
        learners = {"natural": natural, **dict.fromkeys(fields.get("mix", ["robust"]), robust)}
    return {**base, **sections, "learners": learners}


def _make(kind: str, value: Any) -> None:
    """One component, or a list or mapping of several."""
    if isinstance(value, list):
        for item in value:
            _make(kind, item)
    elif isinstance(value, dict) and "use" in value:
        make(kind, value["use"], **{name: item for name, item in value.items() if name != "use"})
    elif isinstance(value, str):
        make(kind, value)
