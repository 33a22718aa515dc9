"""What it ran on, and the commands that repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from robustkit.reporting.captions import Section, folded, pairs
from robustkit.reporting.markup import Html, element, joined, paragraph
from robustkit.reporting.quantities import number
from robustkit.reporting.source import Source

_SHOWN = ("device", "precision", "threads")


def surroundings(source: Source) -> Section:
    """Versions, plugins, platform and commit, as the lock holds them."""
    lock = source.lock
    items = [(key, _text(lock[key])) for key in lock if key not in ("libraries", "plugins", "weights")]
    libraries = lock.get("libraries")
    if isinstance(libraries, Mapping):
        items += [(str(name), str(version)) for name, version in libraries.items()]
    items += [(key, number(source.recipe[key])) for key in _SHOWN if key in source.recipe]
    items.append(("seed", str(source.report["seed"])))
    plugins = lock.get("plugins")
    lines = (
        [paragraph("Plugins used: ", ", ".join(map(str, plugins)), class_="small")] if isinstance(plugins, list) else []
    )
    if not lock:
        lines.append(paragraph("The recipe does not say what it ran on."))
    return Section("environment", "Environment", joined(pairs(items), *lines))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    return number(value)


def repeating(sources: list[Source]) -> Section:
    """Commands, and the recipes with every default."""
    lines: list[Html] = []
    for source in sources:
        lines += [*_commands(source)]
    recipes = [
        folded(f"The recipe of {source.label}, every default spelled out", _recipe(source)) for source in sources
    ]
    text = (
        "On the same versions, processor and number of threads the run is the same to the last bit; elsewhere figures "
        "differ by no more than another seed would make them."
    )
    return Section(
        "repeat", "How to repeat it", joined(element("pre", element("code", *lines)), paragraph(text), *recipes)
    )


def _commands(source: Source) -> list[Html]:
    path = source.path
    lock = f"{path}/lock.yaml"
    if source.is_run:
        return [
            joined(f"robustkit run {lock} --output NEW-FOLDER      # train and evaluate again\n"),
            joined(f"robustkit evaluate {path} --network all       # attack the same weights again\n"),
            joined(f"robustkit report {path}                       # this page\n"),
        ]
    weights = source.report.get("weights", {})
    lines = [joined(f"robustkit evaluate {held.get('file')} --data {lock}\n") for held in weights.values()]
    return [*lines, joined(f"robustkit report {path}\n")]


def _recipe(source: Source) -> Html:
    return element(
        "pre", element("code", yaml.safe_dump(dict(source.recipe), sort_keys=False, width=100, allow_unicode=True))
    )
