"""The registry: every installed component by kind and name, with where it came from."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, is_dataclass
from importlib.resources.abc import Traversable
from typing import Any, ClassVar, get_origin

from robustkit.components.aggregator import Aggregator
from robustkit.components.architecture import Architecture
from robustkit.components.attack import Attack
from robustkit.components.augmentation import Augmentation
from robustkit.components.component import Component
from robustkit.components.dataset import Dataset
from robustkit.components.fields import field_types
from robustkit.components.loss import Loss
from robustkit.components.optimizer import Optimizer
from robustkit.components.schedule import Schedule
from robustkit.components.searcher import Searcher
from robustkit.components.strategy import Strategy
from robustkit.errors import PluginError, did_you_mean, known

KINDS: Mapping[str, tuple[type[Component], str]] = {
    "attack": (Attack, "register_attacks"),
    "architecture": (Architecture, "register_architectures"),
    "strategy": (Strategy, "register_strategies"),
    "loss": (Loss, "register_losses"),
    "aggregator": (Aggregator, "register_aggregators"),
    "dataset": (Dataset, "register_datasets"),
    "optimizer": (Optimizer, "register_optimizers"),
    "schedule": (Schedule, "register_schedules"),
    "augmentation": (Augmentation, "register_augmentations"),
    "searcher": (Searcher, "register_searchers"),
}
"""Each kind's base class and the hook that brings components of it."""


@dataclass(frozen=True)
class Origin:
    """Where a plugin came from."""

    plugin: str
    """The plugin's name: its entry point's, or its file's."""
    distribution: str
    """The installed package (or the file) it is part of."""
    version: str

    def __str__(self) -> str:
        """`plugin (distribution version)`."""
        return f"{self.plugin} ({' '.join(part for part in (self.distribution, self.version) if part)})"


@dataclass(frozen=True)
class Registered:
    """A component class and who brought it."""

    cls: type[Component]
    origin: Origin


@dataclass
class Registry:
    """What is installed. Names are given once: a name that two plugins claim belongs to neither."""

    components: dict[str, dict[str, Registered]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    recipes: dict[str, tuple[Traversable, Origin]] = field(default_factory=dict)
    origins: list[Origin] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What is wrong with installed plugins, one text each, with the way out."""
    clashes: dict[tuple[str, str], list[Origin]] = field(default_factory=dict)
    """Who claims a name that several plugins claim, by kind (or 'recipe') and name."""

    def find(self, kind: str, name: str) -> Registered:
        """The component of that kind and name; hyphens and underscores are the same.

        Raises:
            PluginError: there is none, or two plugins claim the name; suggests near names and names broken plugins.
        """
        wanted = name.replace("_", "-")
        self.check_clash(kind, wanted)
        if wanted in self.components[kind]:
            return self.components[kind][wanted]
        names = self.components[kind]
        broken = " Some plugins could not be used, see `robustkit plugins`." if self.troubles else ""
        elsewhere = [other for other in KINDS if other != kind and wanted in self.components[other]]
        other = f" There is a {elsewhere[0]} of that name." if elsewhere else ""
        raise PluginError(
            f"unknown {kind} {name!r}.{did_you_mean(name, names)}{other} {known(names, limit=40)}{broken}"
        )

    def add(self, kind: str, cls: Any, origin: Origin) -> None:
        """Check a class that a plugin returned and register it.

        Raises:
            PluginError: it is no concrete, named dataclass of this kind, or its name is taken.
        """
        base, hook = KINDS[kind]
        fault = _fault(cls, base)
        if fault:
            raise PluginError(f"{hook}() of plugin {origin} returned {cls!r}, {fault}")
        taken = self.components[kind].pop(cls.name, None)
        self._claim(kind, cls.name, taken.origin if taken else None, origin)
        self.components[kind][cls.name] = Registered(cls, origin)

    def add_recipe(self, name: str, file: Traversable, origin: Origin) -> None:
        """Register a recipe file.

        Raises:
            PluginError: the name is taken, or it is no file.
        """
        if not isinstance(name, str) or not hasattr(file, "read_text"):
            raise PluginError(f"register_recipes() of plugin {origin} must map names to files, got {name!r}: {file!r}.")
        taken = self.recipes.pop(name, None)
        self._claim("recipe", name, taken[1] if taken else None, origin)
        self.recipes[name] = (file, origin)

    def check_clash(self, kind: str, name: str) -> None:
        """Refuse a name that several plugins claim.

        Raises:
            PluginError: names all of them.
        """
        claims = self.clashes.get((kind, name))
        if claims:
            count = "two" if len(claims) == 2 else str(len(claims))
            raise PluginError(
                f"{count} plugins bring {_a(kind)} named {name!r}: {' and '.join(map(str, claims))}. Neither is used: "
                "rename one, or leave a plugin out with --disable NAME or ROBUSTKIT_DISABLE=NAME."
            )

    def _claim(self, kind: str, name: str, taken: Origin | None, origin: Origin) -> None:
        """Note whose name this is; of a second claim, that there are several."""
        if taken is not None:
            self.clashes[kind, name] = [taken]
        if (kind, name) in self.clashes:
            self.clashes[kind, name].append(origin)
        self.check_clash(kind, name)

    def listing(self) -> Iterable[tuple[str, str, Registered]]:
        """Every component as (kind, name, registered), sorted."""
        for kind in KINDS:
            for name in sorted(self.components[kind]):
                yield kind, name, self.components[kind][name]

    def origin_of(self, component: Component) -> Origin | None:
        """Who brought this component's class, or None for a class that was never registered."""
        found = self.components[component.kind].get(component.name)
        return found.origin if found and found.cls is type(component) else None


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _fault(cls: Any, base: type[Component]) -> str:
    """What keeps this from being a component of the kind, as the end of a sentence; empty where nothing does."""
    if not isinstance(cls, type):
        return "which is no class: return the class itself, not an instance of it."
    if not issubclass(cls, base):
        return f"which does not subclass robustkit.{base.__name__}."
    if inspect.isabstract(cls):
        return f"which lacks the methods {', '.join(sorted(cls.__abstractmethods__))}."
    own = [name for name, kind in inspect.get_annotations(cls).items() if not _is_class_variable(kind)]
    if own and ("__dataclass_fields__" not in vars(cls) or not is_dataclass(cls)):
        return "whose fields need the decorator @dataclass(frozen=True)."
    if not isinstance(cls.name, str) or not cls.name or cls.name in ("none_", "use"):
        return "which has no `name`."
    if "name" not in vars(cls) or cls.name != cls.name.lower().replace("_", "-"):
        return f"whose `name` must be its own, in lower case with hyphens, not {cls.name!r}."
    if "use" in getattr(cls, "__dataclass_fields__", {}):
        return "whose field 'use' has the name by which recipes say which component they mean: rename the field."
    try:
        field_types(cls)
    except Exception as error:  # annotations are a stranger's code: whatever they raise is the finding
        return f"whose annotations cannot be read: {error}."
    return ""


def _is_class_variable(annotation: Any) -> bool:
    return (
        get_origin(annotation) is ClassVar
        or annotation is ClassVar
        or str(annotation).startswith(("ClassVar", "typing.ClassVar"))
    )
