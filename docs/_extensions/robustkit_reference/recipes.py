"""The recipe: its sections and fields, and the recipes that are installed."""

from __future__ import annotations

import inspect
from itertools import dropwhile, takewhile

from robustkit.plugin.registry import Origin, Registry
from robustkit_reference.fields import SECTIONS, fields_table, section_anchor
from robustkit_reference.markdown import Entry, code, fenced


def schema_entries() -> list[Entry]:
    """Every section of a recipe with its fields."""
    return [
        Entry(section_anchor(title), title, f"{inspect.getdoc(section)}\n\n{fields_table(section)}")
        for title, section in SECTIONS.items()
    ]


def recipe_entries(registry: Registry) -> list[Entry]:
    """Every installed recipe: its opening comment, then the file."""
    return [
        Entry(f"recipe-{name}", code(name), recipe_text(file.read_text(encoding="utf-8"), origin))
        for name, (file, origin) in sorted(registry.recipes.items())
    ]


def recipe_text(text: str, origin: Origin) -> str:
    """What a recipe says of itself, the commands that run it, and the recipe."""
    words, commands = opening(text)
    below = "\n".join(dropwhile(lambda line: line.startswith("#"), text.splitlines()))
    return "\n".join(
        [
            f"{words}\n",
            fenced("console", "\n".join(f"$ {command}" for command in commands)),
            fenced("yaml", below),
            f"{{.origin}}\nPlugin {code(origin.plugin)} of {code(origin.distribution)}.",
        ]
    )


def opening(text: str) -> tuple[str, list[str]]:
    """The words and the commands (lines indented by three) of a recipe's opening comment."""
    head = takewhile(lambda line: line.startswith("#"), text.splitlines())
    comment = [line.removeprefix("#").rstrip() for line in head]
    commands = [line.strip() for line in comment if line.startswith("   ")]
    return " ".join(line.strip() for line in comment if not line.startswith("   ")), commands
