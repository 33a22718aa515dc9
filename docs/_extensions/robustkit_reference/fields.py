"""Tables of the fields of components and of a recipe's sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

from robustkit.components.architecture import Normalization
from robustkit.components.fields import describe
from robustkit.plugin.description import FieldDescription, describe_fields
from robustkit.recipe.schema import Averaging, EvaluationRecipe, LearnerRecipe, Recipe
from robustkit_reference.markdown import code, table

SECTIONS = {
    "Top level": Recipe,
    "Learner": LearnerRecipe,
    "Averaging": Averaging,
    "Evaluation": EvaluationRecipe,
    "Normalization": Normalization,
}
"""The sections of a recipe by the titles of their entries."""


def fields_table(cls: type) -> str:
    """The fields of a component or a section of the recipe."""
    described = describe_fields(cls)
    if not described:
        return "It has no fields.\n"
    rows = [(code(field.name), default(field), type_text(field.type), field.doc) for field in described]
    return table(["Field", "Default", "Type", "Meaning"], rows, "fields")


def default(field: FieldDescription) -> str:
    """The default as recipes write it; a whole section's is `{}`, all of its own defaults."""
    if field.required:
        return "required"
    return code("{}" if is_dataclass(field.default) else written(field.default))


def type_text(text: str) -> str:
    """A field's type, in which kinds of components and sections lead to where they are described."""
    for title, section in SECTIONS.items():
        text = text.replace(describe(section), f"a section [{title.lower()}](#{section_anchor(title)})")
    return re.sub(r"\b(\w+) \({use: NAME, \.\.\.}\)", r"[\1](#kind-\1)", text)


def section_anchor(title: str) -> str:
    """What links to a section's entry name."""
    return f"section-{title.lower().replace(' ', '-')}"


def written(value: Any) -> str:
    """Plain data as recipes write it, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{written(key)}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return as_number(value) if isinstance(value, float) else str(value)


def as_number(value: float) -> str:
    """A number as recipes write it: whole pixel values as fractions of 255."""
    steps = value * 255
    if 0 < steps < 255 and abs(steps - round(steps)) < 1e-9:
        return f"{round(steps)}/255"
    return f"{value:g}"
