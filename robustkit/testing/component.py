"""What holds for components of every kind."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, ClassVar

from robustkit.components.component import Component
from robustkit.errors import InputError
from robustkit.plugin.registry import KINDS, Origin, Registry


class ComponentSuite:
    """Checks of any component. Subclass the suite of the component's kind, not this class.

    A subclass sets the attribute that is named like the kind: `attack = MyAttack()`. Where it is missing or no such
    component, every test raises an InputError that says so.
    """

    kind: ClassVar[str]
    """The noun of the kind, and the name of the attribute; each kind's suite sets it."""

    def __getattr__(self, name: str) -> Any:
        if name == getattr(type(self), "kind", None):
            raise InputError(
                f"{type(self).__name__} does not say what to test: set `{name} = My{name.capitalize()}(...)` in the "
                f"class, or `self.{name}` in a fixture with autouse=True."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def component(self) -> Component:
        """What is tested."""
        component, (base, _) = getattr(self, self.kind), KINDS[self.kind]
        if not isinstance(component, base):
            expected = f"an instance of robustkit.{base.__name__}"
            raise InputError(f"{type(self).__name__}.{self.kind} must be {expected}, got {component!r}.")
        return component

    def test_can_be_registered(self) -> None:
        """A plugin may return its class: concrete, named, a dataclass whose annotations can be read."""
        Registry().add(self.kind, type(self.component), Origin("tested", "robustkit.testing", ""))

    def test_is_frozen(self) -> None:
        """Fields cannot be set: state belongs to the engine."""
        try:
            self.component.name = self.component.name  # type: ignore[misc]
        except dataclasses.FrozenInstanceError:
            return
        raise AssertionError(f"{type(self.component).__name__} must be decorated with @dataclass(frozen=True).")

    def test_rebuilds_from_its_fields(self) -> None:
        """Built again from its own fields, as a lock file does, or copied, it is the same and shows the same."""
        component = self.component
        rebuilt = dataclasses.replace(component)
        assert rebuilt == component, f"rebuilt from its fields, {component!r} became {rebuilt!r}."
        assert repr(rebuilt) == repr(component), f"{component!r} shows itself differently when rebuilt: {rebuilt!r}."
        assert copy.deepcopy(component) == component, f"a copy of {component!r} is not equal to it."

    def test_shows_its_fields(self) -> None:
        """`repr` shows class and fields, as Python would build it."""
        component = self.component
        shown = ", ".join(
            f"{field.name}={getattr(component, field.name)!r}" for field in dataclasses.fields(component) if field.repr
        )
        expected = f"{type(component).__qualname__}({shown})"
        assert repr(component) == expected, f"expected repr {expected}, got {component!r}."

    def test_says_what_it_is(self) -> None:
        """The class has a docstring of its own; the reference page starts with it."""
        cls = type(self.component)
        text = vars(cls).get("__doc__") or ""
        own = text != "" and not text.startswith(
            f"{cls.__name__}("
        )  # which is what @dataclass writes where there is none
        assert own, f"{cls.__name__} needs a docstring that says what it is."
