"""How near `robustkit estimate` comes to what runs really take: seconds, and memory at its highest."""

from __future__ import annotations

from typing import Any

from benchmarks.estimates import SHORT, compared, recipes
from benchmarks.options import Options
from benchmarks.tables import table

TITLE = "Estimates"
_QUICK = {"pgd-at": ["pgd-at", "epochs=1", "learners.robust.optimizer.lr=0.05", "evaluation.test_examples=20"]}


def measure(options: Options) -> dict[str, Any]:
    """Estimate and run each recipe, each in a process of its own."""
    chosen = _QUICK if options.quick else recipes(options.data)
    seconds = 1.0 if options.quick else None
    return {"recipes": {name: compared(words, options.threads, seconds) for name, words in chosen.items()}}


def section(result: dict[str, Any]) -> list[str]:
    """One table."""
    rows = []
    for name, found in result["recipes"].items():
        estimated, taken, ratio = found["estimated"], found["taken"], found["ratio"]
        row = [f"{estimated['seconds']:.1f}", f"{taken['seconds']:.1f}", f"{ratio['seconds']:.2f}"]
        row += [f"{ratio['training']:.2f}", f"{estimated['peak_memory'] / 1e6:,.0f}", f"{ratio['peak_memory']:.2f}"]
        rows.append([name, *row])
    head = ["recipe", "estimated, s", "taken, s", "ratio", "of training", "estimated, MB", "ratio"]
    parts = [
        "`robustkit estimate` in one process, with its default ten seconds of calibration, then the run in another. "
        "A ratio is what was estimated by what it took.",
        table(head, rows),
    ]
    if "resnet18" in result["recipes"]:
        parts.append(
            "`resnet18` is `benchmarks/fashion-mnist/generalist.yaml`, shortened to twenty steps by "
            f"`{' '.join(SHORT)}`: fewer examples are right by then than an estimate assumes of a trained network, so "
            "measuring takes less than foreseen."
        )
    return parts
