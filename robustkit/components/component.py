"""What a component is: a frozen dataclass whose fields are its YAML keys, constructor and reference page."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from robustkit.components.fields import convert, field_types
from robustkit.errors import ComponentError, Problem


@dataclass(frozen=True)
class Checked:
    """A dataclass whose fields are converted and checked when an instance is made, from YAML and in Python alike.

    Raises:
        ComponentError: a field has the wrong type or is out of range; every such field is reported at once.
    """

    def __post_init__(self) -> None:
        """Convert and check every field, then ask `problems` for the rules that join several fields."""
        found: list[Problem] = []
        cls: Any = type(self)
        types = field_types(cls)
        for field in fields(self):
            value, problems = convert(types[field.name], getattr(self, field.name), (field.name,))
            object.__setattr__(self, field.name, value)
            found += problems
        found = found or list(self.problems())
        if found:
            raise ComponentError(getattr(self, "name", "") or type(self).__name__, found)

    def problems(self) -> Iterable[Problem]:
        """Problems that no single field shows; override it where fields depend on each other."""
        return ()

    @classmethod
    def problems_among(cls, given: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterable[Problem]:
        """As `problems`, where some fields are wrong already: `given` holds the good ones, `raw` what was written."""
        return ()


@dataclass(frozen=True)
class Component(Checked, ABC):
    """Something a recipe can name. Subclass one of the kinds (`Attack`, `Strategy`, ...), not this class.

    `PGD(eps="8/255", steps=20)` and `{use: pgd, eps: 8/255, steps: 20}` are the same object.
    """

    kind: ClassVar[str] = ""
    """The noun that recipes and hooks use for this kind, set by the kind's base class."""
    name: ClassVar[str] = ""
    """What recipes write behind `use:`, set by each concrete component."""
    form: ClassVar[str] = "{use: NAME, ...}"
    """How recipes write this kind, as messages show it."""

    @classmethod
    def shorthand(cls, value: Any) -> Component | None:
        """The component that a plain YAML value stands for where a recipe expects this kind, or None."""
        return None
