"""What every component is: a frozen dataclass whose fields are its YAML keys, its constructor and its reference page."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from robustkit.components.fields import convert, field_types
from robustkit.errors import ComponentError, Problem


@dataclass(frozen=True)
class Component(ABC):
    """Something a recipe can name. Subclass one of the kinds (`Attack`, `Strategy`, ...), not this class.

    Fields are checked and converted when an instance is made, whether from YAML or in Python, so that
    `PGD(eps="8/255", steps=20)` and `{use: pgd, eps: 8/255, steps: 20}` are the same object.

    Raises:
        ComponentError: a field has the wrong type or is out of range; every such field is reported at once.
    """

    kind: ClassVar[str] = ""
    """The noun that recipes and hooks use for this kind, set by the kind's base class."""
    name: ClassVar[str] = ""
    """What recipes write behind `use:`, set by each concrete component."""

    def __post_init__(self) -> None:
        """Convert and check every field, then ask `problems` for the rules that join several fields."""
        found: list[Problem] = []
        types = field_types(type(self))
        for field in fields(self):
            value, problems = convert(types[field.name], getattr(self, field.name), (field.name,))
            object.__setattr__(self, field.name, value)
            found += problems
        found = found or list(self.problems())
        if found:
            raise ComponentError(self.name, found)

    def problems(self) -> Iterable[Problem]:
        """Problems that no single field shows; override it where fields depend on each other."""
        return ()

    @classmethod
    def shorthand(cls, value: Any) -> Component | None:
        """The component that a plain YAML value stands for where a recipe expects this kind, or None."""
        return None
