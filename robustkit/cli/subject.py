"""What `robustkit evaluate` measures: a results folder's networks or one weights file, and the recipe that says how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustkit.components.examples import Examples
from robustkit.engine.results import FinishedRun
from robustkit.errors import InputError, WeightsError, did_you_mean, known
from robustkit.models.classifier import Classifier
from robustkit.models.files import model_from, read_tensors
from robustkit.plugin.registry import Registry
from robustkit.recipe.loader import LOCK, load_recipe
from robustkit.recipe.schema import Recipe

ALL = "all"
_SECTIONS = ("dataset", "evaluation", "seed", "device", "threads")


@dataclass(frozen=True)
class Subject:
    """Weights files by the networks' names, and the recipe whose data, attacks and seed they are measured with."""

    recipe: Recipe
    files: Mapping[str, Path]
    registry: Registry

    def network(self, name: str, examples: Examples) -> tuple[Classifier, list[str]]:
        """The network, and what is odd about measuring it on these examples.

        Raises:
            WeightsError: its file is damaged.
            InputError: it was made for other images or another number of classes.
        """
        path = self.files[name]
        tensors, header = read_tensors(path)
        model = model_from(tensors, header, str(path), self.registry)
        made_for = tuple(header["image_shape"]), len(header["class_names"])
        if made_for != (examples.image_shape, examples.num_classes):
            raise InputError(
                f"{path} takes images {made_for[0]} in {made_for[1]} classes; the test images of "
                f"{self.recipe.dataset.name} are {examples.image_shape} in {examples.num_classes}."
            )
        same = list(header["class_names"]) == list(examples.class_names)
        return model, [] if same else [
            f"{path} was trained on classes of other names than {self.recipe.dataset.name}'s."
        ]


def open_subject(
    source: Path, overrides: Sequence[str], *, data: str | None, network: str | None, registry: Registry
) -> Subject:
    """Find the networks and the recipe.

    Raises:
        InputError: it is not clear what to measure on, or an override has no effect on a measurement.
        WeightsError: there are no such weights.
    """
    for word in overrides:
        first = word.partition("=")[0].partition(".")[0]
        if first not in _SECTIONS:
            raise InputError(
                f"override {word!r}: has no effect on an evaluation.{did_you_mean(first, _SECTIONS)} {known(_SECTIONS)}"
            )
    if source.is_dir():
        run = FinishedRun(source, registry)
        files = _files_of(run, network or "global")
    elif source.is_file():
        if network is not None:
            raise InputError(f"--network chooses among the networks of a results folder; {source} is one network.")
        files = {str(read_tensors(source)[1].get("network", source.stem)): source}
    else:
        raise WeightsError(f"{source}: there is no such results folder or weights file.")
    return Subject(load_recipe(data or _lock_of(source), *overrides, registry=registry), files, registry)


def _lock_of(source: Path) -> Path:
    """The lock of a results folder, or of the one a weights file lies in."""
    lock = source / LOCK if source.is_dir() else source.resolve().parent.parent / LOCK
    if not lock.is_file():
        raise InputError(f"{source} lies in no results folder: name the recipe whose dataset to use, --data RECIPE.")
    return lock


def _files_of(run: FinishedRun, network: str) -> dict[str, Path]:
    names = [name for name in ("global", *run.recipe.learners) if run.folder.weights(name).is_file()]
    if not names:
        raise WeightsError(f"{run.path} has no weights yet: go on with it first, robustkit run {run.path} --resume.")
    if network != ALL and network not in names:
        raise InputError(f"{run.path}: no network {network!r}.{did_you_mean(network, names)} {known([*names, ALL])}")
    return {name: run.folder.weights(name) for name in names if network in (ALL, name)}
