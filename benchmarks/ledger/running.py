"""Running what is missing, each run as a `robustkit` process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.ledger.studies import EPS, RECIPES, ROOT, RUNS, Study
from robustkit import load_recipe

ATTACKED = 300
"""Test examples that AutoAttack is tried on."""

TEACHER = ROOT / "runs" / "rst-teacher"
"""The run that has to be there before that of the recipe `rst`, where that looks for it."""


def run_study(study: Study, data: str, jobs: int) -> None:
    """Finish the sweep, what AutoAttack has to say of it, and the mixes of its run."""
    folder = RUNS / study.name
    _robustkit(study.command(data, "threads=1", "device=cpu", "--output", str(folder), "--jobs", str(jobs), "--quiet"))
    if study.autoattack:
        runs = sorted(path for path in (folder / "runs").iterdir() if (path / "report.json").is_file())
        with ThreadPoolExecutor(jobs) as pool:
            for run in runs:
                pool.submit(attack, run, folder / "autoattack")
    if study.frontier and not (folder / "mix" / "mix.json").is_file():
        _robustkit(["mix", str(folder / "runs" / study.frontier), "--output", str(folder / "mix"), "--quiet"])


def attack(run: Path, into: Path) -> None:
    """A run's global learner under AutoAttack; what is there already stays."""
    found = into / f"{run.name}.json"
    if found.is_file():
        return
    words = ["evaluate", str(run), "--attack", f"autoattack:eps={EPS}", "--examples", str(ATTACKED)]
    text = _robustkit([*words, "--output", str(into / run.name), "--quiet", "--json"])
    found.write_text(text, encoding="utf-8")


def digits_recipes() -> list[str]:
    """The bundled recipes that train on the digits, by name; evaluate-full trains what `generalist` trains."""
    names = sorted(file.stem for file in RECIPES.glob("*.yaml"))
    return [name for name in names if name != "evaluate-full" and load_recipe(name).dataset.name == "digits"]


def run_recipes(seeds: Sequence[int], jobs: int) -> None:
    """Finish every bundled recipe on the digits, with each seed."""
    if not (TEACHER / "report.json").is_file():
        _robustkit(["run", str(RECIPES / "natural.yaml"), "train_examples=200", "--output", str(TEACHER), "--quiet"])
    todo = [(name, seed) for seed in seeds for name in digits_recipes()]
    with ThreadPoolExecutor(jobs) as pool:
        for line in pool.map(lambda job: _run_recipe(*job), todo):
            print(line, flush=True)


def _run_recipe(name: str, seed: int) -> str:
    folder = RUNS / "recipes" / f"{name}-{seed}"
    if (folder / "report.json").is_file():
        return f"{folder.name}: was finished"
    words = ["run", str(RECIPES / f"{name}.yaml"), f"seed={seed}", "threads=1", "device=cpu", "--output", str(folder)]
    _robustkit([*words, *(["--resume"] if (folder / "checkpoint.safetensors").is_file() else []), "--quiet"])
    return f"{folder.name}: finished"


def _robustkit(words: list[str]) -> str:
    """Its output; the command ends where it fails."""
    command = [sys.executable, "-m", "robustkit", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"robustkit {' '.join(words)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def read(file: Path) -> dict[str, Any]:
    """A JSON file."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
