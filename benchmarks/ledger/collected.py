"""What finished runs found, as files that are committed: benchmarks/ledger/measured/*.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.ledger.running import read
from benchmarks.ledger.studies import MEASURED, RUNS, Study
from robustkit import load_run

FRONTIER = "frontier"
"""The name of what the mixes of one run found."""
RECIPES = "recipes"
"""The name of what the bundled recipes found on the digits."""


def collect(study: Study) -> Path | None:
    """Write a study's figures; None where nothing of it was run."""
    folder = RUNS / study.name
    compared = folder / "comparison.json"
    changes = read(compared)["settings"] if compared.is_file() else {}
    if study.frontier:
        _collect_frontier(folder / "mix" / "mix.json", study.frontier)
    return _write(study.name, _finished(folder / "runs"), {"changes": changes})


def _collect_frontier(file: Path, run: str) -> None:
    """What `robustkit mix` wrote, without where the run lay."""
    if file.is_file():
        found = read(file)
        found["curves"]["mix"]["run"] = run
        _save(FRONTIER, found)


def collect_recipes() -> Path | None:
    """Write the figures of the bundled recipes."""
    return _write(RECIPES, _finished(RUNS / "recipes"), {})


def load(name: str) -> dict[str, Any] | None:
    """The figures of that name, if they are there."""
    file = MEASURED / f"{name}.json"
    return read(file) if file.is_file() else None


def _finished(folder: Path) -> list[Path]:
    return sorted(file.parent for file in folder.glob("*/report.json"))


def _write(name: str, folders: list[Path], more: dict[str, Any]) -> Path | None:
    if not folders:
        return None
    first = load_run(folders[0])
    found = {
        "examples": first.report["examples"],
        "machine": _machine((first.recipe.lock or {})["libraries"]["torch"]),
        "runs": [_run(folder) for folder in folders],
        **more,
    }
    return _save(name, found)


def _save(name: str, found: dict[str, Any]) -> Path:
    MEASURED.mkdir(exist_ok=True)
    file = MEASURED / f"{name}.json"
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return file


def _machine(torch_version: str) -> str:
    """What they ran on; the load on it changes no accuracy."""
    facts = machine.facts(1, "cpu")
    return f"{facts['processor']}, {facts['cores']} cores; Python {facts['python']}, torch {torch_version}."


def _run(folder: Path) -> dict[str, Any]:
    """The global learner's accuracies and what they cost; AutoAttack's, too, where it was tried."""
    report = load_run(folder).report
    accuracies = {name: found["accuracy"] for name, found in report["networks"]["global"].items()}
    asked = folder.parent.parent / "autoattack" / f"{folder.name}.json"
    if asked.is_file():
        stronger: dict[str, Any] = read(asked)
        accuracies["autoattack"] = stronger["networks"]["global"]["autoattack"]["accuracy"]
        report["attacks"]["autoattack"] = stronger["attacks"]["autoattack"]
    return {
        "name": report["name"],
        "seed": report["seed"],
        "accuracies": accuracies,
        "attacks": report["attacks"],
        "epochs": report["epochs"],
        "computed_in": report["computed_in"]["training"],
        "training_seconds": round(report["cost"]["training_seconds"], 1),
    }
