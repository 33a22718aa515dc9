"""Small networks trained adversarially by the engine, for measurements that random weights would mislead."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.cases import CASES, Case
from benchmarks.options import Options
from benchmarks.rounds import said
from robustkit import load_recipe, load_run, run

RUNS = Path(__file__).resolve().parents[1] / "runs" / "benchmarks"
EXAMPLES = 1000


@dataclass(frozen=True)
class Trained:
    """A network in eval mode, with the test examples that it is measured on."""

    case: Case
    model: nn.Module
    images: Tensor
    labels: Tensor
    what: str
    """In words."""


def trained(options: Options, seed: int = 1) -> Trained:
    """The network of that seed: as an earlier measurement left it, or trained now (a minute or two).

    Attacks are trained and measured on the case's budget: `digits`, or Fashion-MNIST on `small-cnn`'s where the options
    say where it lies.
    """
    recipe = _recipe(options, seed)
    built = load_recipe(recipe)
    case = CASES["digits" if options.data is None else "small-cnn"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "run") if options.quick else RUNS / f"{recipe['name']}-{seed}"
        if not (folder / "report.json").is_file():
            said(f"training {recipe['name']}, seed {seed}")
            run(built, output=folder)
        model = load_run(folder).model(device=options.device)
    test = built.dataset.load("test")
    indices = torch.arange(min(EXAMPLES, len(test)) if not options.quick else 40)
    images, labels = test.images(indices).to(options.device), test.labels[indices].to(options.device)
    right = float((_logits(model, images).argmax(1) == labels).float().mean())
    what = (
        f"{recipe['name']}, seed {seed}: PGD adversarial training of {case.architecture} in float32, "
        f"{100 * right:.1f} % clean accuracy on {len(images):,} test examples"
    )
    return Trained(case, model, images, labels, what)


def _recipe(options: Options, seed: int) -> dict[str, Any]:
    case = CASES["digits" if options.data is None else "small-cnn"]
    epochs, width = (40, case.options["width"]) if options.data is None else (8, case.options["width"])
    epochs, width = (6, 8) if options.quick else (epochs, width)
    attack = case.attack(steps=7)
    rate = {0: 0.05, epochs * 0.4: 0.05, epochs * 0.8: 0.005, epochs: 0.0005}
    return {
        "name": "fashion-mnist" if options.data else "digits",
        "seed": seed,
        "epochs": epochs,
        "batch_size": 64,
        "validation_examples": 0,
        "train_examples": 600 if options.quick else 8000,
        "dataset": dataset(options),
        "architecture": {"use": case.architecture, "width": width},
        "learners": {
            "robust": {
                "strategy": {"use": "adversarial", "attack": attack},
                "optimizer": {"use": "sgd", "lr": rate, "momentum": 0.9, "weight_decay": 5e-4},
            }
        },
        "aggregator": "single",
        "compute": {"training": "full", "attack": "full"},
        "device": options.device,
    }


def dataset(options: Options) -> dict[str, Any]:
    """Fashion-MNIST where the options say where it lies; else the digits, 1,000 of which are for measuring."""
    if options.data is None:
        return {"use": "digits", "test_examples": EXAMPLES}
    folder = options.data / "fashion-mnist"
    return {"use": "arrays", "train": str(folder / "train.npz"), "test": str(folder / "test.npz")}


@torch.no_grad()
def _logits(model: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([model(part) for part in images.split(250)])


def right(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Which images (N,) the network, in its own precision, classifies right."""
    return _logits(model, images).argmax(1) == labels
