"""The recipe: a tree of sections and components, checked as a whole before anything is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from robustkit.components.aggregator import Aggregator
from robustkit.components.architecture import Architecture, Normalization
from robustkit.components.attack import Attack
from robustkit.components.augmentation import Augmentation
from robustkit.components.component import Checked
from robustkit.components.dataset import Dataset
from robustkit.components.fields import NonNegativeInt, PositiveInt
from robustkit.components.optimizer import Optimizer
from robustkit.components.schedule import Schedule
from robustkit.components.strategy import Strategy
from robustkit.errors import Path, Problem, did_you_mean, known
from robustkit.recipe.averaging import Averaging as Averaging
from robustkit.recipe.compute import Compute
from robustkit.recipe.manner import Manner

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class LearnerRecipe(Checked):
    """One learner: its own copy of the network, trained in its own way on the shared batches."""

    strategy: Strategy
    """How it turns a batch into its loss."""
    optimizer: Optimizer
    """How it follows its gradients."""
    averaging: Averaging | None = None
    """An average of its weights, which is what it then offers for merging; null for none."""
    augmentation: tuple[Augmentation, ...] = ()
    """Applied after the recipe's shared augmentation, to this learner's images only."""
    updates_per_batch: PositiveInt = 1
    """Optimizer steps on each shared batch, one after the other; attacks are made anew for each."""
    freeze: tuple[str, ...] = ()
    """Parameters that are not trained, by patterns of their names: `stem.*`, `*bn*`. Dealing out the global learner
    still replaces them, and BatchNorm's running statistics still move."""
    start_from: str | None = None
    """A weights file of the same architecture to start from, such as `runs/natural/weights/global.safetensors`; null
    for the weights that all learners share."""


@dataclass(frozen=True)
class EvaluationRecipe(Checked):
    """How the networks are measured: on validation examples while training, on the test split at the end."""

    every_epochs: PositiveInt = 1
    """Measure on the validation examples after every so many epochs, and after the last."""
    attacks: Mapping[str, Attack] = field(default_factory=dict)
    """Attacks on the validation examples, by the name the results use."""
    select_by: str = "last"
    """Which epoch's weights are kept: `last`, or the best of the global learner's validation accuracy, `natural` or
    under the attack of this name."""
    final_attacks: Mapping[str, Attack] = field(default_factory=dict)
    """Attacks on the test examples at the end of the run, by the name the results use."""
    manner: Manner = field(default_factory=Manner)
    """In what order the final attacks are tried, and what is kept of them."""
    batch_size: PositiveInt = 500
    """Examples measured at a time."""
    test_examples: PositiveInt | None = None
    """Measure only the first so many test examples; null for all."""

    def problems(self) -> Iterable[Problem]:
        """Names must be usable, and `select_by` must name a measured accuracy."""
        for section, attacks in (("attacks", self.attacks), ("final_attacks", self.final_attacks)):
            for name in attacks:
                if not _NAME.fullmatch(name) or name in ("natural", "worst-case"):
                    text = "expected a name of letters, digits, '-', '_' and '.', not natural or worst-case"
                    yield Problem((section, name), f"{text}, got {name!r}.", on_key=True)
        choices = ["last", "natural", *self.attacks]
        if self.select_by not in choices:
            text = f"expected last, natural or the name of one of evaluation.attacks, got {self.select_by!r}."
            yield Problem(("select_by",), f"{text}{did_you_mean(self.select_by, choices)} {known(choices)}")


@dataclass(frozen=True)
class Recipe(Checked):
    """Everything a run is. Running it twice on one machine gives the same weights, bit for bit."""

    name: str
    """What the run is called; its results folder is named after it."""
    epochs: PositiveInt
    """Length of the run."""
    dataset: Dataset
    """Where the images come from."""
    architecture: Architecture
    """The network that every learner and the global learner share."""
    learners: Mapping[str, LearnerRecipe]
    """The learners by name; equal weights at the start, nothing shared afterwards but the batches."""
    aggregator: Aggregator
    """How the learners' weights become the global learner's."""
    batch_size: PositiveInt = 128
    """Training examples a batch; every learner sees every batch. A last, smaller batch of an epoch is left out."""
    seed: NonNegativeInt = 1
    """Decides initial weights, order of the data, validation split, augmentation and attack starts."""
    validation_examples: NonNegativeInt | None = None
    """Held out of the training split, the same share of each class; null for a tenth of it, at most 1,000."""
    train_examples: PositiveInt | None = None
    """Train on only so many examples, the same share of each class; null for all that validation leaves."""
    augmentation: tuple[Augmentation, ...] = ()
    """Applied to each batch before the learners see it."""
    normalization: Normalization | None = None
    """Put inside the model; null for the architecture's own, which for most is none. eps always means [0, 1] pixels."""
    evaluation: EvaluationRecipe = field(default_factory=EvaluationRecipe)
    """How the networks are measured."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, ...; `auto` takes the first GPU where there is one."""
    precision: Literal["float32", "float64"] = "float32"
    """Of weights, images and attacks."""
    compute: Compute = field(default_factory=Compute)
    """How the arithmetic is done: what changes speed and rounding only."""
    threads: Annotated[int, Ge(1), Le(1024)] | None = None
    """CPU threads; null for torch's own choice. Results are bit-identical only for equal numbers of threads."""
    lock: Mapping[str, Any] | None = None
    """Written by a run into its lock: versions, host and commit. Not read, but compared when a lock is run."""

    def problems(self) -> Iterable[Problem]:
        """The rules that join several sections."""
        return self.problems_among({item.name: getattr(self, item.name) for item in fields(self)}, {})

    @classmethod
    def problems_among(cls, given: Mapping[str, Any], raw: Mapping[str, Any]) -> Iterable[Problem]:
        """The rules that join several sections, as far as the sections they need are sound."""
        if "name" in given and not _NAME.fullmatch(given["name"]):
            text = f"expected letters, digits, '-', '_' and '.', got {given['name']!r}."
            yield Problem(("name",), text)
        if "device" in given and not _DEVICE.fullmatch(given["device"]):
            yield Problem(("device",), f"expected auto, cpu, cuda or cuda:NUMBER, got {given['device']!r}.")
        written = given.get("learners", raw.get("learners"))
        names = [str(name) for name in written] if isinstance(written, Mapping) else []
        yield from _problems_with_names(names, "learners" in given)
        yield from _problems_with_precision(given)
        if "epochs" not in given:
            return
        epochs = given["epochs"]
        if "aggregator" in given and names:
            for problem in given["aggregator"].problems_in_run(names, epochs):
                yield problem.below(("aggregator",))
        for path, schedule in schedules_in(given):
            if schedule.last_epoch > epochs:
                length = "1 epoch" if epochs == 1 else f"{epochs} epochs"
                text = f"the schedule runs to epoch {schedule.last_epoch:g}, the run has {length}."
                yield Problem(path, f"{text} To train only the first epochs of a longer run, use --stop-after.")
        yield from _problems_with_averages(given, epochs)
        evaluation = given.get("evaluation")
        if evaluation and evaluation.select_by != "last" and given.get("validation_examples") == 0:
            text = f"{evaluation.select_by!r} needs validation examples, but validation_examples is 0."
            yield Problem(("evaluation", "select_by"), text)
        aggregator = given.get("aggregator")
        if aggregator and "validation examples" in aggregator.needs and given.get("validation_examples") == 0:
            yield Problem(("aggregator",), "it measures on validation examples, but validation_examples is 0.")


def _problems_with_precision(given: Mapping[str, Any]) -> Iterator[Problem]:
    if given.get("precision") != "float64" or "compute" not in given:
        return
    for name in ("training", "attack"):
        if getattr(given["compute"], name) == "bfloat16":
            yield Problem(("compute", name), "bfloat16 does not go with precision float64: use full.")


def _problems_with_averages(given: Mapping[str, Any], epochs: int) -> Iterator[Problem]:
    for name, learner in given.get("learners", {}).items():
        averaging = learner.averaging
        if averaging is not None and averaging.start_epoch > epochs:
            text = f"expected an epoch of this run, 1 to {epochs}, got {averaging.start_epoch}."
            yield Problem(("learners", name, "averaging", "start_epoch"), text)


def _problems_with_names(names: list[str], whole: bool) -> Iterator[Problem]:
    if whole and not names:
        yield Problem(("learners",), "expected at least one learner, got none.")
    for name in names:
        if name == "global":
            text = "'global' is what results call the merged network: choose another name."
            yield Problem(("learners", name), text, on_key=True)
        elif not _NAME.fullmatch(name):
            text = f"expected a name of letters, digits, '-', '_' and '.', got {name!r}."
            yield Problem(("learners", name), text, on_key=True)


def schedules_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, Schedule]]:
    """Every schedule in a tree of sections, components, mappings and lists, with the path that leads to it."""
    if isinstance(value, Schedule):
        yield path, value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from schedules_in(item, (*path, key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from schedules_in(item, (*path, index))
    elif is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            yield from schedules_in(getattr(value, item.name), (*path, item.name))
