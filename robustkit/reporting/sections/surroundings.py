"""What it ran on, and the commands that repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from robustkit.reporting.captions import Section, folded, is_long, pairs
from robustkit.reporting.markup import Html, code, element, joined, paragraph
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
    items.sort(key=lambda item: is_long(*item))  # short ones stand beside each other
    return Section("environment", "Environment", joined(pairs(items), *lines))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    return number(value)


def repeating(sources: Sequence[Source]) -> Section:
    """Commands, and the recipes with every default."""
    commands = [pair for source in sources for pair in _commands(source)]
    names = " ".join(shlex.quote(source.label) for source in sources)
    commands.append((f"robustkit report {names}", "this page"))
    widest = min(64, max(len(command) for command, _ in commands))
    lines = "\n".join(f"{command.ljust(widest)}  # {what}" for command, what in commands)
    recipes = [
        folded(f"The recipe of {source.label}, every default spelled out", _recipe(source)) for source in sources
    ]
    text = (
        "With the same versions on the same machine and with the same number of threads, a repeated run has the same "
        "weights, bit for bit. On another, rounding differs, and in training such differences grow."
    )
    return Section("repeat", "How to repeat it", joined(element("pre", code(lines)), paragraph(text), *recipes))


def _commands(source: Source) -> list[tuple[str, str]]:
    path, lock = shlex.quote(source.label), shlex.quote(f"{source.path}/lock.yaml")
    if source.is_run:
        return [
            (f"robustkit run {lock} --output NEW-FOLDER", "train and evaluate again"),
            (f"robustkit evaluate {path} --network all", "attack the same weights again"),
        ]
    weights = [shlex.quote(str(held.get("file"))) for held in source.report.get("weights", {}).values()]
    return [(f"robustkit evaluate {file} --data {lock}", "attack the same weights again") for file in weights]


def _recipe(source: Source) -> Html:
    return element(
        "pre", element("code", yaml.safe_dump(dict(source.recipe), sort_keys=False, width=100, allow_unicode=True))
    )
