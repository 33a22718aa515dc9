"""What a sweep is: a base recipe, named variants of it, a grid of settings, and seeds; and the file that says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from robustkit.components.component import Checked
from robustkit.components.fields import NonNegativeInt, convert
from robustkit.engine.sweep.grid import RESERVED, Axis, flow, values_in, wrong_paths
from robustkit.engine.sweep.search import Search, trial_name
from robustkit.errors import InputError, Path, Problem, RecipeError
from robustkit.plugin.registry import Registry
from robustkit.recipe.builder import Builder
from robustkit.recipe.document import Document

WITHOUT = "without"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Variant:
    """Changes of the recipe that belong together, under one name."""

    changes: Mapping[str, Any]
    """Values by path."""
    without: tuple[str, ...] = ()
    """Paths that are taken out of the recipe before."""

    def words(self) -> list[str]:
        """As a command line would write them."""
        return [f"{path}={flow(value)}" for path, value in self.changes.items()]


@dataclass(frozen=True)
class SweepFile(Checked):
    """The content of a sweep file."""

    base: str | Mapping[str, Any]
    """The recipe that is varied: a file, an installed recipe's name, or the recipe itself."""
    name: str = "sweep"
    """What the sweep is called; by default its folder is sweeps/NAME."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Changes under names: each a mapping of paths in the recipe to values, `{}` for the base as it is. A key
    `without` lists paths that are taken out."""
    grid: Mapping[str, str | tuple[Any, ...]] = field(default_factory=dict)
    """Values by path: a list, or text such as `1..5`. Every combination is run, with every variant."""
    seeds: int | str | tuple[NonNegativeInt, ...] = ()
    """Every setting is run with each of them: a list, or text such as `1..3`; by default the base's."""
    search: Search | None = None
    """How settings are searched for; takes the place of variants and grid."""

    def problems(self) -> Iterable[Problem]:
        """Names that are no names, paths that a sweep sets itself, lists without values, a search beside them."""
        if self.search is not None and (self.variants or self.grid):
            yield Problem(("search",), "a search chooses the settings: it takes no variants and no grid.", on_key=True)
        named: list[tuple[Path, str]] = [
            (("name",), self.name),
            *((("variants", name), name) for name in self.variants),
        ]
        for path, name in named:
            if not _NAME.fullmatch(name):
                yield Problem(path, f"expected letters, digits, '-', '_' and '.', got {name!r}.")
        for name, variant in self.variants.items():
            yield from wrong_paths(variant, ("variants", name))
            removed = variant.get(WITHOUT, [])
            if not isinstance(removed, list | tuple) or not all(isinstance(path, str) for path in removed):
                yield Problem(("variants", name, WITHOUT), f"expected a list of paths, got {removed!r}.")
        yield from wrong_paths(self.grid, ("grid",))
        for setting, values in self.grid.items():
            if not values:
                yield Problem(("grid", setting), "expected at least one value, got none.")


@dataclass(frozen=True)
class Sweep:
    """A sweep whose words are read: what `planned` makes runs of."""

    name: str
    base: Document
    """The base recipe's data, with what the command line changes in it."""
    variants: Mapping[str, Variant]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    """Empty for the base's own."""
    search: Search | None = None
    """What proposes the settings, in place of variants and axes."""

    def named_variants(self) -> Mapping[str, Variant]:
        """The variants; of a search, its trials so far."""
        tried = enumerate(self.search.tried if self.search else (), 1)
        return {**self.variants, **{trial_name(number): Variant(settings) for number, settings in tried}}

    def plain(self) -> dict[str, Any]:
        """As a sweep file holds it."""
        return {
            "name": self.name,
            "base": self.base.data,
            "variants": {
                name: {**({WITHOUT: list(variant.without)} if variant.without else {}), **variant.changes}
                for name, variant in self.variants.items()
            },
            "grid": {axis.path: list(axis.values) for axis in self.axes},
            "seeds": list(self.seeds),
            **({"search": self.search.plain()} if self.search else {}),
        }

    def text(self) -> str:
        """The text of such a file, in ASCII."""
        return yaml.safe_dump(self.plain(), sort_keys=False, width=120)


def sweep_from(file: SweepFile, base: Document, grid: Sequence[Axis], where: str) -> Sweep:
    """The sweep that a file describes, with the command line's axes in place of the file's of the same path.

    Args:
        file: what was read.
        base: the base recipe, changed as the command line says.
        grid: the command line's axes; one with the path `seed` gives the seeds.
        where: begins messages.

    Raises:
        InputError: values that cannot be read, a seed that is none, or a path that occurs twice.
    """
    axes = {path: Axis(path, _values(values, f"{where}: grid.{path}")) for path, values in file.grid.items()}
    paths = [axis.path for axis in grid]
    twice = [path for path in dict.fromkeys(paths) if paths.count(path) > 1]
    if twice:
        raise InputError(f"grid: {', '.join(twice)} is given twice. Give all values of a path together.")
    seeds: tuple[Any, ...] = _values(file.seeds, f"{where}: seeds")
    for axis in grid:
        if axis.path == "seed":
            seeds = axis.values
        elif axis.path in RESERVED:
            raise InputError(f"grid {axis.path}: {RESERVED[axis.path]}")
        elif file.search is not None:
            raise InputError(
                f"grid {axis.path}: {where} is a search, which chooses the settings; of a grid it takes seeds."
            )
        else:
            axes[axis.path] = axis
    for name, changes in file.variants.items():
        for path in axes.keys() & changes.keys():
            raise InputError(f"{where}: both the variant {name} and the grid set {path}.")
    variants = {
        name: Variant(
            {path: value for path, value in changes.items() if path != WITHOUT}, tuple(changes.get(WITHOUT, ()))
        )
        for name, changes in file.variants.items()
    }
    return Sweep(file.name, base, variants, tuple(axes.values()), _checked_seeds(seeds), file.search)


def _values(given: int | str | tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if isinstance(given, int):
        return (given,)
    return tuple(values_in(given, where)) if isinstance(given, str) else given


def _checked_seeds(seeds: tuple[Any, ...]) -> tuple[int, ...]:
    checked, problems = convert(tuple[NonNegativeInt, ...], seeds, ("seeds",))
    if not problems and len(set(checked)) < len(checked):
        problems = [Problem(("seeds",), f"a seed is given twice: {', '.join(map(str, checked))}.")]
    if problems:
        raise InputError("\n".join(map(str, problems)))
    return tuple(checked)


def file_from(document: Document, registry: Registry) -> SweepFile:
    """What a sweep file's document holds; searchers are looked up in the registry.

    Raises:
        RecipeError: it is no sweep file; every problem is shown with its place.
    """
    value, problems = Builder(registry).build(SweepFile, document.data)
    found = [*document.problems, *problems]
    if found:
        unique = {(problem.path, problem.message): document.show(problem) for problem in found}
        raise RecipeError("\n".join([*unique.values(), f"{len(unique)} wrong in {document.source}."]), found)
    file: SweepFile = value
    return file
