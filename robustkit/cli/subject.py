"""What is measured: a results folder's networks, one weights file or an architecture, and the recipe that says how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from robustkit.attacking.isolation import private_randomness
from robustkit.cli.attack_spec import parse_architecture
from robustkit.components.architecture import Architecture
from robustkit.components.examples import Examples
from robustkit.components.randomness import derive
from robustkit.engine.results import FinishedRun
from robustkit.errors import InputError, WeightsError, did_you_mean, known
from robustkit.models.classifier import Classifier, build_classifier
from robustkit.models.files import model_from, read_tensors
from robustkit.plugin.registry import Registry
from robustkit.recipe.loader import LOCK, load_recipe
from robustkit.recipe.schema import Recipe

ALL = "all"
_SECTIONS = ("dataset", "evaluation", "seed", "device", "threads")


@dataclass(frozen=True)
class Subject:
    """Networks, and the recipe whose data, attacks and seed they are measured with."""

    recipe: Recipe
    files: Mapping[str, Path]
    """Weights files by the networks' names."""
    registry: Registry
    others: Mapping[str, Path] = field(default_factory=dict)
    """Weights files of the results folder's other networks."""
    run: FinishedRun | None = None
    """The results folder; None for a file or an architecture."""
    architecture: Architecture | None = None
    """What builds the network, where there are no files."""

    @property
    def names(self) -> tuple[str, ...]:
        """The networks to measure."""
        return tuple(self.files) if self.architecture is None else (self.architecture.name,)

    def network(self, name: str, examples: Examples) -> tuple[Classifier, list[str]]:
        """The network, and what is odd about measuring it on these examples.

        An architecture's random weights, if it has any, are drawn from the recipe's seed.

        Raises:
            WeightsError: its file is damaged.
            InputError: it was made for other images or another number of classes.
        """
        if self.architecture is not None:
            with private_randomness(derive(self.recipe.seed, "weights"), torch.device("cpu")):
                return build_classifier(self.architecture, examples.num_classes, examples.image_shape).eval(), []
        path = {**self.others, **self.files}[name]
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
    source: str | Path,
    overrides: Sequence[str],
    *,
    data: str | None,
    network: str | None,
    registry: Registry,
) -> Subject:
    """Find the networks and the recipe.

    Args:
        source: a results folder, a weights file, or an architecture as `timm:model=resnet18,pretrained=true`.
        overrides: `path=value` words for the recipe.
        data: a recipe to use instead of the run's.
        network: which of a results folder's networks; None for the global one.
        registry: where components are looked up.

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
    path = Path(source)
    described = str(source).lstrip().startswith("{")
    if network is not None and (described or not path.is_dir()):
        raise InputError(f"--network chooses among the networks of a results folder; {source} is one network.")
    if not described and path.is_dir():
        run = FinishedRun(path, registry)
        files, everyone = _files_of(run, network or "global"), _files_of(run, ALL)
        others = {name: file for name, file in everyone.items() if name not in files}
        return Subject(load_recipe(data or _lock_of(path), *overrides, registry=registry), files, registry, others, run)
    if not described and path.is_file():
        files = {str(read_tensors(path)[1].get("network", path.stem)): path}
        return Subject(load_recipe(data or _lock_of(path), *overrides, registry=registry), files, registry)
    if _looks_like_a_path(str(source)):
        raise WeightsError(f"{source}: there is no such results folder or weights file.")
    try:
        architecture = parse_architecture(str(source), registry)
    except InputError as error:
        if described or ":" in str(source):
            raise
        raise WeightsError(f"{source}: there is no such results folder or weights file. {error}") from error
    if data is None:
        raise InputError(f"{source} is an architecture: name the recipe whose dataset to use, --data RECIPE.")
    recipe = load_recipe(data, *overrides, registry=registry)
    return Subject(recipe, {}, registry, architecture=architecture)


def _looks_like_a_path(source: str) -> bool:
    """Rather than an architecture with its fields."""
    name = source.partition(":")[0]
    return not source.startswith("{") and ("/" in name or name.endswith(".safetensors"))


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
