"""The runs of a sweep: every variant with every combination of the grid and every seed, all checked as recipes."""

from __future__ import annotations

import copy
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from robustkit.engine.sweep.grid import flow
from robustkit.engine.sweep.names import setting_name
from robustkit.engine.sweep.spec import Sweep, Variant
from robustkit.errors import InputError, Problem, RecipeError
from robustkit.plugin.registry import Registry
from robustkit.recipe.document import Document, override
from robustkit.recipe.loader import build_recipe
from robustkit.recipe.lock import resolved
from robustkit.recipe.schema import Recipe

_MOST = 10_000
_UNINDENTED = re.compile(r"\n(?! )")  # each problem is a line, with the place below it indented


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep."""

    name: str
    """Of its results folder: the setting and the seed."""
    setting: str
    """What the runs share that differ in nothing but the seed; also their recipes' name."""
    changes: tuple[str, ...]
    """How the setting differs from the base recipe, as words."""
    recipe: Recipe


@dataclass(frozen=True)
class Setting:
    """A recipe-to-be: the base recipe with a variant's changes and one value of each axis."""

    name: str
    without: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def changes(self) -> tuple[str, ...]:
        """In words, removals included."""
        return (*(f"without {path}" for path in self.without), *self.words)

    def recipe(self, base: Document, registry: Registry) -> Recipe:
        """The checked recipe.

        Raises:
            RecipeError: it cannot be run.
            InputError: a path leads nowhere.
        """
        document = copy.deepcopy(base)
        for path in self.without:
            _remove(document, path)
        for word in (*self.words, f"name={self.name}"):
            override(document, word)
        return build_recipe(document, registry)

    def run(self, recipe: Recipe, seed: int) -> PlannedRun:
        """The setting's run of that seed."""
        return PlannedRun(f"{self.name}_seed-{seed}", self.name, self.changes, replace(recipe, seed=seed))


def planned(sweep: Sweep, registry: Registry) -> list[PlannedRun]:
    """All runs: every setting with the first seed, then with the second, so that a comparison is there early.

    Of a search, those of the trials so far.

    Raises:
        RecipeError: some settings are no recipes; the text shows what is wrong with any of them.
        InputError: two settings are the same, or there are too many.
    """
    variants = sweep.named_variants()
    if sweep.search is not None and not variants:
        return []
    count = math.prod(len(axis.values) for axis in sweep.axes) * max(1, len(variants)) * max(1, len(sweep.seeds))
    if count > _MOST:
        raise InputError(f"{sweep.name}: this sweep has {count:,} runs, the most are {_MOST:,}. Split it up.")
    chosen = list(settings(sweep, build_recipe(sweep.base, registry).name))
    recipes = checked(chosen, sweep.base, registry)
    _all_differ(chosen, recipes)
    seeds = sweep.seeds or (recipes[0].seed,)
    return [setting.run(recipe, seed) for seed in seeds for setting, recipe in zip(chosen, recipes, strict=True)]


def settings(sweep: Sweep, base_name: str) -> Iterator[Setting]:
    """Variants in their order; within each, the last axis moves fastest."""
    variants: list[tuple[str | None, Variant]] = [*sweep.named_variants().items()] or [(None, Variant({}))]
    paths = [axis.path for axis in sweep.axes]
    for name, variant in variants:
        for values in itertools.product(*(axis.values for axis in sweep.axes)):
            steps = list(zip(paths, values, strict=True))
            words = (*variant.words(), *(f"{path}={flow(value)}" for path, value in steps))
            yield Setting(setting_name(base_name, name, steps), variant.without, words)


def checked(chosen: Sequence[Setting], base: Document, registry: Registry) -> list[Recipe]:
    """The settings' recipes.

    Raises:
        RecipeError: some settings are no recipes; the text shows what is wrong with any of them.
    """
    recipes: list[Recipe] = []
    faults: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for setting in chosen:
        try:
            recipes.append(setting.recipe(base, registry))
        except RecipeError as error:
            for text in _UNINDENTED.split(str(error).rpartition("\n")[0] or str(error)):
                faults.setdefault(text, []).append(setting.name)
            problems += error.problems
        except InputError as error:
            faults.setdefault(str(error), []).append(setting.name)
            problems.append(Problem((), str(error)))
    if faults:
        shown = [f"{_some(names)}:\n{text}" for text, names in faults.items()]
        wrong = len({name for names in faults.values() for name in names})
        raise RecipeError("\n".join([*shown, f"{wrong} of {len(chosen)} settings are no recipes."]), problems)
    return recipes


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _all_differ(chosen: list[Setting], recipes: list[Recipe]) -> None:
    contents: dict[str, str] = {}
    names: set[str] = set()
    for setting, recipe in zip(chosen, recipes, strict=True):
        other = contents.setdefault(content(recipe), setting.name)
        if other is not setting.name:
            raise InputError(f"{other} and {setting.name} are the same recipe: take one of them out.")
        if setting.name.casefold() in names:
            raise InputError(f"two settings are called {setting.name}: give them names, as variants of a sweep file.")
        names.add(setting.name.casefold())


def content(recipe: Recipe) -> str:
    """What two recipes share that differ in nothing but name and seed."""
    return repr({**resolved(recipe), "name": "", "seed": 0})


def _remove(document: Document, path: str) -> None:
    """Take what stands at a path out of the recipe.

    Raises:
        InputError: nothing stands there.
    """
    *above, last = path.split(".")
    holder: Any = document.data
    for step in above:
        holder = holder.get(step) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or last not in holder:
        raise InputError(f"without {path!r}: the base recipe has nothing there.")
    del holder[last]
    document.forget(tuple(path.split(".")))
