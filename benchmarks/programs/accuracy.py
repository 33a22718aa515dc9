"""What the levers do to training: final accuracy of the authors' step, re-stated, and of ours in each precision."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from benchmarks.authors_step import AuthorsStep, Settings
from benchmarks.cases import CASES
from benchmarks.options import Options
from benchmarks.rounds import said
from benchmarks.tables import table
from benchmarks.trained import EXAMPLES, dataset
from robustkit import Clock, Measurement, Recipe, evaluate, load_recipe, rate_at, run
from robustkit.components.randomness import derive
from robustkit.engine.allocator import buffers_kept
from robustkit.engine.data import RunData
from robustkit.models.classifier import build_classifier

TITLE = "Accuracy after training"
AUTHORS = "authors' step, re-stated"
OURS: dict[str, dict[str, Any]] = {
    "float32": {"training": "full", "attack": "full"},
    "bfloat16": {"training": "bfloat16", "attack": "bfloat16"},
    "bfloat16, all compiled": {"training": "bfloat16", "attack": "bfloat16", "compile": "all"},
}
SEEDS = (1, 2, 3)


def measure(options: Options) -> dict[str, Any]:
    """Correct test examples of every finally global and robust network, for each seed."""
    ways = {name: OURS[name] for name in ("float32", "bfloat16")} if options.quick else OURS
    found: dict[str, list[dict[str, Any]]] = {AUTHORS: [], **{name: [] for name in ways}}
    for seed in SEEDS[: 2 if options.quick else len(SEEDS)]:
        said(f"seed {seed}: {AUTHORS}")
        found[AUTHORS].append(_by_authors(_built(options, seed, {})))
        for name, compute in ways.items():
            said(f"seed {seed}: {name}")
            found[name].append(_by_engine(_built(options, seed, compute)))
    recipe = _built(options, 1, {})
    attack = recipe.evaluation.final_attacks["pgd-20"]
    data = "Fashion-MNIST" if options.data else "digits"
    what = (
        f"Generalist of {recipe.architecture.name} on {data}, {recipe.epochs} epochs of batches of "
        f"{recipe.batch_size}; PGD-20, eps {attack.budget.eps:g}"
    )
    return {"what": what, "ways": found}


def _built(options: Options, seed: int, compute: dict[str, Any]) -> Recipe:
    case = CASES["digits" if options.data is None else "small-cnn"]
    epochs = 2 if options.quick else 40 if options.data is None else 8
    rate = {0: 0.05, epochs / 2: 0.05, epochs: 0.0005}
    learner = {"averaging": {"decay": 0.98}}
    sgd = {"use": "sgd", "lr": rate, "momentum": 0.9, "weight_decay": 5e-4}
    attack = case.attack(steps=7)
    final = {"use": "pgd", "eps": case.eps, "step_size": 2.5 * case.eps / 20, "steps": 20}
    recipe = {
        "name": "accuracy",
        "seed": seed,
        "epochs": epochs,
        "batch_size": 64,
        "validation_examples": 0,
        "train_examples": 256 if options.quick else 3000,
        "dataset": dataset(options),
        "architecture": {"use": "small-cnn", "width": 16},
        "learners": {
            "robust": {"strategy": {"use": "adversarial", "attack": attack}, "optimizer": sgd, **learner},
            "natural": {"strategy": "natural", "optimizer": sgd, **learner},
        },
        "aggregator": {
            "use": "generalist",
            "mix": {"robust": {0: 1.0, epochs / 2: 1.0, epochs: 0.4}},
            "decay": 0.98,
            "start_epoch": max(1, epochs * 5 // 8),
            "every_epochs": max(1, epochs // 8),
            "redistribute": "every_batch",
        },
        "evaluation": {"final_attacks": {"pgd-20": final}, "test_examples": 100 if options.quick else EXAMPLES},
        "compute": compute,
        "device": options.device,
    }
    return load_recipe(recipe)


def _by_engine(recipe: Recipe) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        report = run(recipe, output=Path(folder, "run")).report
    counts = {
        network: {name: accuracy["correct"] for name, accuracy in report["networks"][network].items()}
        for network in ("global", "robust")
    }
    return {**counts, "examples": report["examples"]["test"], "seconds": report["cost"]["training_seconds"]}


def _by_authors(recipe: Recipe) -> dict[str, Any]:
    """The same recipe by hand: the same batches, initial weights, rates and hand-outs."""
    device = torch.device(recipe.device)
    data = RunData(recipe, device)
    torch.manual_seed(derive(recipe.seed, "weights"))
    shape = data.train.image_shape
    network = build_classifier(recipe.architecture, data.train.num_classes, shape).network.to(device)
    robust, aggregator = recipe.learners["robust"], recipe.aggregator
    attack: Any = robust.strategy.attack
    settings = Settings(attack.eps, attack.step_size, attack.steps, average_decay=0.98)
    decay = robust.optimizer.weight_decay
    step = AuthorsStep(network, Settings(**{**vars(settings), "robust_decay": decay, "natural_decay": decay}))
    clock = Clock(recipe.epochs, data.batches_per_epoch)
    with buffers_kept(wanted=True):
        for epoch in range(1, recipe.epochs + 1):
            clock.start_epoch(epoch)
            share = rate_at(aggregator.mix["robust"], clock)
            step.start_epoch(rate_at(robust.optimizer.lr, clock), share)
            for images, labels in data.batches(epoch):
                step(images, labels)
                clock.tick()
                if aggregator.redistributes(clock):
                    step.deal_out()
    network.load_state_dict(step.robust_average.shadow)
    measured = {
        name: evaluate(model, data.test, recipe.evaluation.final_attacks, seed=derive(recipe.seed, "evaluation"))
        for name, model in (("global", step.merged.model), ("robust", network))
    }
    return {**{name: _counts(found) for name, found in measured.items()}, "examples": len(data.test)}


def _counts(found: Measurement) -> dict[str, int]:
    return {name: accuracy.correct for name, accuracy in found.accuracies().items()}


def section(result: dict[str, Any]) -> list[str]:
    """One table: accuracies, and robust accuracy against the authors' step seed by seed."""
    rows = []
    for name, runs in result["ways"].items():
        cells = [
            _mean(_percents(runs, network, part)) for network in ("global", "robust") for part in ("natural", "pgd-20")
        ]
        rows.append([name, *cells, "" if name == AUTHORS else _against(result["ways"][AUTHORS], runs)])
    head = [
        "training",
        "global, natural",
        "global, robust",
        "robust learner, natural",
        "robust",
        "robust against authors'",
    ]
    seeds = len(result["ways"][AUTHORS])
    examples = result["ways"][AUTHORS][0]["examples"]
    return [
        f"{result['what']}; {examples:,} test examples, {seeds} seeds, percent: mean and standard deviation over "
        "seeds; in the last column the mean difference of the two networks' robust accuracy, seed by seed, with its "
        "standard error. Starts of attacks are drawn differently by the two, so the difference between `float32` and "
        "the authors' step is noise, and what the others' must be read against.",
        table(head, rows),
    ]


def _percents(runs: list[dict[str, Any]], network: str, part: str) -> list[float]:
    return [100 * found[network][part] / found["examples"] for found in runs]


def _mean(values: list[float]) -> str:
    return f"{fmean(values):.1f} ± {stdev(values):.1f}"


def _against(base: list[dict[str, Any]], runs: list[dict[str, Any]]) -> str:
    """Mean and standard error over seeds; the two networks of a seed, which are no independent samples, as one."""
    own, theirs = ([fmean(pair) for pair in zip(*_robust(found), strict=True)] for found in (runs, base))
    differences = [ours - other for ours, other in zip(own, theirs, strict=True)]
    return f"{fmean(differences):+.1f} ± {stdev(differences) / len(differences) ** 0.5:.1f}"


def _robust(runs: list[dict[str, Any]]) -> list[list[float]]:
    return [_percents(runs, network, "pgd-20") for network in ("global", "robust")]
