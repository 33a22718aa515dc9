"""Networks to try attacks on: undefended, PGD-AT and Generalist ones, on Fashion-MNIST and on CIFAR-10."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.options import Options
from benchmarks.rounds import said
from benchmarks.trained import right, trained
from robustkit import Compute, load_recipe, load_run, run
from robustkit.engine.arithmetic import place

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "benchmarks" / "strength"
EXAMPLES = 500
DATA_SETS = {"fashion-mnist": ("Fashion-MNIST", 0.1), "cifar10": ("CIFAR-10", 4 / 255)}
"""Their names, and the radius in Linf that their recipes train against."""
METHODS = ("natural", "pgd-at", "generalist")


@dataclass(frozen=True)
class Subject:
    """A network in eval mode, and test examples; torchattacks gets the network as it was trained."""

    name: str
    model: nn.Module
    images: Tensor
    labels: Tensor
    eps: float
    adversarial: bool
    """Whether it is the one that speed is measured on in full."""
    folder: Path | None
    """Where its results are kept; None for none."""

    @property
    def placed(self) -> nn.Module:
        """The network as the engine's evaluation has it: in the memory format that `compute` asks for."""
        model = deepcopy(self.model)
        place(model, Compute(), torch.device("cpu"))
        return model

    @property
    def right(self) -> Tensor:
        """Which examples it gets right."""
        return right(self.model, self.images, self.labels)


def subjects(options: Options) -> Iterator[Subject]:
    """One after the other; without data, a net of the digits. What an earlier measurement trained is not trained anew.

    Raises:
        SystemExit: this is not for a GPU.
    """
    if options.device != "cpu":
        raise SystemExit("strength is measured on a CPU: leave out --device.")
    if options.data is None:
        net = trained(options)
        yield Subject("digits, pgd-at", net.model, net.images, net.labels, net.case.eps, True, None)
        return
    for data_set in DATA_SETS:
        yield from (subject(options.data, data_set, method) for method in METHODS)


def subject(data: Path, data_set: str, method: str) -> Subject:
    """One network, trained now where it is not there: a minute to six on one core."""
    name, eps = DATA_SETS[data_set]
    folder = RUNS / f"{data_set}-{method}"
    files = {split: str(data / data_set / f"{split}.npz") for split in ("train", "test")}
    recipe = load_recipe(
        ROOT / "benchmarks" / data_set / f"{method}.yaml",
        f"dataset={{use: arrays, train: {files['train']}, test: {files['test']}}}",
        "threads=1",
        "device=cpu",
    )
    if not (folder / "report.json").is_file():
        said(f"training {folder.name}")
        run(recipe, output=folder, resume=(folder / "checkpoint.safetensors").is_file())
    test = recipe.dataset.load("test")
    indices = torch.arange(EXAMPLES)
    model = load_run(folder).model(device="cpu")
    return Subject(
        f"{name}, {method}", model, test.images(indices), test.labels[indices], eps, method == "pgd-at", folder
    )
