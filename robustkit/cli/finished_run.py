"""What `robustkit mix` and `robustkit export` work on: a finished run, and its recipe where its data lies elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robustkit.engine.results import FinishedRun
from robustkit.errors import InputError, WeightsError, did_you_mean, known
from robustkit.plugin.registry import Registry
from robustkit.recipe.loader import load_recipe
from robustkit.recipe.schema import Recipe

_SECTIONS = ("dataset", "evaluation", "device", "threads", "compute")


def open_run(path: Path, overrides: Sequence[str], registry: Registry) -> tuple[FinishedRun, Recipe]:
    """The run, and its recipe with the overrides.

    Raises:
        WeightsError: it is no results folder, or has no weights yet.
        InputError: an override is of what the run was, and not of where it is measured now.
    """
    run = FinishedRun(path, registry)
    for word in overrides:
        first = word.partition("=")[0].partition(".")[0]
        if first not in _SECTIONS:
            raise InputError(
                f"override {word!r}: the run is what it was; only where and how it is measured can change."
                f"{did_you_mean(first, _SECTIONS)} {known(_SECTIONS)}"
            )
    recipe = load_recipe(run.folder.lock, *overrides, registry=registry)
    if not all(run.folder.weights(name).is_file() for name in ("global", *recipe.learners)):
        raise WeightsError(f"{path} has no weights yet: go on with it first, robustkit run {path} --resume.")
    return run, recipe
