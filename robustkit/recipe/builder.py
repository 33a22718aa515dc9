"""From plain data to components, by way of the registry: `{use: pgd, steps: 20}` becomes `PGD(steps=20)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from robustkit.components.component import Component
from robustkit.components.fields import convert, describe, section, shown
from robustkit.errors import ComponentError, InputError, Path, PluginError, Problem, did_you_mean, known
from robustkit.plugin.manager import installed
from robustkit.plugin.registry import KINDS, Registry


class Builder:
    """Builds whatever an annotation asks for, looking components up in one registry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def build(self, annotation: Any, data: Any, path: Path = ()) -> tuple[Any, list[Problem]]:
        """The value that the annotation asks for, and every problem with the data."""
        return convert(annotation, data, path, self._component)

    def _component(self, kind: type, data: Any, path: Path) -> tuple[Any, list[Problem]]:
        expected = cast(type[Component], kind)
        name, values = (data, {}) if isinstance(data, str) else (None, data)
        if isinstance(data, Mapping):
            name = data.get("use")
            values = {key: value for key, value in data.items() if key != "use"}
        if not isinstance(name, str):
            names = sorted(self.registry.components[expected.kind])
            where = (*path, "use") if name is not None else path
            lacking = "no 'use' in " if isinstance(data, Mapping) and name is None else ""
            got = lacking + shown(data if name is None else name)
            return None, [Problem(where, f"expected {describe(kind)}, got {got}. {known(names)}")]
        try:
            cls = self.registry.find(expected.kind, name).cls
        except PluginError as error:
            return None, [Problem((*path, "use") if isinstance(data, Mapping) else path, str(error))]
        if not issubclass(cls, kind):
            return None, [Problem(path, f"expected a {expected.__name__}, {name!r} is none.")]
        return section(cls, values, path, self._component)


def make(kind: str, name: str, registry: Registry | None = None, /, **fields: Any) -> Component:
    """Make one component by name: `make("attack", "pgd", eps="8/255", steps=20)`.

    Args:
        kind: attack, architecture, strategy, loss, aggregator, dataset, optimizer, schedule, augmentation or
            searcher.
        name: what a recipe would write behind `use:`.
        registry: where to look it up; by default, among the installed plugins.
        fields: its fields; nested components may be given as instances, names or mappings, as in a recipe.

    Raises:
        InputError: there is no such kind.
        PluginError: there is no such component.
        ComponentError: fields are unknown, missing or wrong; all of them are reported.
    """
    if kind not in KINDS:
        raise InputError(f"unknown kind {kind!r}.{did_you_mean(kind, KINDS)} {known(KINDS)}")
    registry = registry or installed().registry
    cls = registry.find(kind, name).cls
    component, problems = Builder(registry).build(KINDS[kind][0], {"use": name, **fields})
    if problems:
        raise ComponentError(cls.name, problems)
    return cast(Component, component)
