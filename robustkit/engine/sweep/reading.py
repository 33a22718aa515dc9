"""Finding sweeps: a sweep file, a bundled sweep's name, a sweep's folder, or a recipe with a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from robustkit.engine.sweep.grid import axis_from
from robustkit.engine.sweep.spec import Sweep, SweepFile, file_from, sweep_from
from robustkit.errors import RecipeError, did_you_mean, known
from robustkit.plugin.registry import Registry
from robustkit.recipe.bundled import bundled_sweeps
from robustkit.recipe.document import Document, override, parse
from robustkit.recipe.loader import build_recipe, read_recipe

SWEEP = "sweep.yaml"
_KEYS = {"base", "variants", "grid", "seeds", "search"}  # none of which a recipe has


def read_sweep(
    source: str, overrides: Sequence[str], grid: Sequence[str], registry: Registry, base: str | None = None
) -> Sweep:
    """The sweep that `source` and the words behind it describe.

    Args:
        source: a sweep file, a bundled sweep's name, a sweep's folder; or a recipe, as for `load_recipe`.
        overrides: `path=value` words, laid over the base recipe.
        grid: `path=value,value` words; they take the place of a sweep file's axis of the same path.
        registry: where components and installed recipes are looked up.
        base: the recipe to vary in place of the sweep file's.

    Raises:
        RecipeError: there is no such thing, or the file or the base recipe is wrong.
        InputError: a word is none.
    """
    document = _sweep_document(source, registry)
    if document is None:
        file, where = SweepFile(base=source), source
    else:
        file, where = file_from(document, registry), document.source
    if base is not None:
        file = replace(file, base=base)
    recipe = _base(file.base, where, registry)
    for word in overrides:
        override(recipe, word)
    built = build_recipe(recipe, registry)
    if built.threads is None:
        override(recipe, "threads=1")  # results depend on it, and must not on how many runs go on at a time
    if document is None:
        file = replace(file, name=built.name)
    return sweep_from(file, recipe, [axis_from(word) for word in grid], where)


def _sweep_document(source: str, registry: Registry) -> Document | None:
    """The sweep file that is meant; None where it is a recipe."""
    path, name = Path(source), source.removesuffix(".yaml")
    if path.is_dir() and (path / SWEEP).is_file():
        path = path / SWEEP
    if not path.exists() and name not in registry.recipes:
        sweeps = bundled_sweeps()
        if name in sweeps:
            return parse(sweeps[name].read_text(encoding="utf-8"), f"{name}.yaml")
        hint = did_you_mean(path.name, [*sweeps, *registry.recipes])
        raise RecipeError(
            f"{source}: there is no such file, folder, installed recipe or bundled sweep.{hint} Sweeps: "
            f"{known(sweeps).removeprefix('Known: ')} Recipes: {known(registry.recipes).removeprefix('Known: ')}"
        )
    shown, text = read_recipe(path if path.exists() else source, registry)
    document = parse(text, shown)
    return document if isinstance(document.data, Mapping) and _KEYS & set(document.data) else None


def _base(base: str | Mapping[str, Any], where: str, registry: Registry) -> Document:
    if isinstance(base, Mapping):
        return Document(where, data=dict(base))
    source, text = read_recipe(base, registry)
    return parse(text, source)
