"""Natural against robust accuracy of several recipes over several seeds: the tables of docs/results.md.

    python -m benchmarks.tradeoff digits
    python -m benchmarks.tradeoff fashion-mnist --data DIR --seeds 3
    python -m benchmarks.tradeoff --write

Every run is a `robustkit run` of its own, on one thread, so many at a time as --jobs says. What is finished is kept and
what was interrupted is resumed, so the command can be stopped and given again. `--write` puts the tables of all runs
that are there into docs/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from robustkit import load_run

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "tradeoff"
STUDIES = {
    "digits": ("Digits", ROOT / "recipes"),
    "fashion-mnist": ("Fashion-MNIST", ROOT / "benchmarks" / "fashion-mnist"),
}
METHODS = {
    "digits": ("natural", "pgd-at", "joint", "generalist", "generalist-early-mix"),
    "fashion-mnist": ("natural", "pgd-at", "joint", "generalist", "pgd-at-full", "generalist-full"),
}
FULL = ("compute.training=full", "compute.attack=full")
VARIANTS = {"pgd-at-full": ("pgd-at", FULL), "generalist-full": ("generalist", FULL)}
"""Methods that are another's recipe with some words changed: the same in float32 throughout."""


def main() -> None:
    """Run what is missing of a study, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", choices=sorted(STUDIES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--data", help="where the data set lies, for studies that need one")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/results.md")
    arguments = parser.parse_args()
    if arguments.study:
        run_study(arguments.study, arguments.seeds, arguments.jobs, arguments.data)
    if arguments.write:
        (ROOT / "docs" / "results.md").write_text(results_page(), encoding="utf-8")
    if not arguments.study and not arguments.write:
        parser.error("name a study, or --write")


def run_study(study: str, seeds: int, jobs: int, data: str | None) -> None:
    """Finish every run of the study; a failed one stops the command with its output."""
    todo = [(method, seed) for seed in range(1, seeds + 1) for method in METHODS[study]]
    with ThreadPoolExecutor(jobs) as pool:
        for line in pool.map(lambda job: run_one(study, *job, data), todo):
            print(line, flush=True)


def run_one(study: str, method: str, seed: int, data: str | None) -> str:
    """Finish one run in a process of its own."""
    folder = RUNS / study / f"{method}-{seed}"
    if (folder / "report.json").is_file():
        return f"{folder.name}: was finished"
    name, changes = VARIANTS.get(method, (method, ()))
    recipe = STUDIES[study][1] / f"{name}.yaml"
    words = [
        str(recipe),
        f"name={method}",
        *changes,
        f"seed={seed}",
        "threads=1",
        "device=cpu",
        "--output",
        str(folder),
    ]
    words += [f"dataset.root={data}"] if data else []
    words += ["--resume"] if (folder / "checkpoint.safetensors").is_file() else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "robustkit", "run", *words], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{folder.name} failed:\n{done.stdout}\n{done.stderr}")
    return f"{folder.name}: finished"


def results_page() -> str:
    """docs/results.md, from the runs that are there."""
    parts = [
        "# Results",
        "Written by `python -m benchmarks.tradeoff --write` from the results folders of finished runs; nobody typed a "
        "figure. Accuracies of the global learner in percent of test examples, mean and sample standard deviation over "
        "seeds. Robust accuracy is an upper bound: a stronger attack may lower it.",
    ]
    return "\n\n".join([*parts, *(part for study in STUDIES for part in study_part(study))]) + "\n"


def study_part(study: str) -> list[str]:
    """One study's heading, table and circumstances; nothing where there are no finished runs."""
    title, recipes = STUDIES[study]
    folders = sorted(folder for folder in (RUNS / study).glob("*") if (folder / "report.json").is_file())
    if not folders:
        return []
    runs = [load_run(folder) for folder in folders]
    report, lock = runs[0].report, runs[0].recipe.lock or {}
    hours = sum(run.report["cost"]["training_seconds"] for run in runs) / 3600
    seeds = len({run.report["seed"] for run in runs})
    rows = json.loads(compared(folders, "--json"))["rows"]
    examples = report["examples"]
    data = " --data DIR" if study != "digits" else ""
    return [
        f"## {title}",
        compared(folders, "--markdown").strip(),
        f"small-cnn, {examples['train']:,} training, {examples['validation']:,} validation and {examples['test']:,} "
        f"test examples, {report['epochs']} epochs, {seeds} seeds; the last weights, chosen by no split. Attacks: "
        + "; ".join(f"`{name}` is {plainly(attack)}" for name, attack in report["attacks"].items())
        + ".",
        where_they_lie({row["name"]: row["figures"] for row in rows}),
        *computed_in(runs),
        f"Recipes in `{recipes.relative_to(ROOT)}/`; `python -m benchmarks.tradeoff {study} --seeds {seeds}{data}`, "
        f"then `--write`. Two CPU cores ({platform.machine()}, shared with other work), one thread a run, "
        f"torch {lock['libraries']['torch']}; {hours:.1f} hours of training in all.",
    ]


def computed_in(runs: list[Any]) -> list[str]:
    """Where methods of one study were computed in different precisions, which in which."""
    methods = {run.recipe.name: run.report["computed_in"]["training"] for run in runs}
    if len(set(methods.values())) == 1:
        return []
    low = ", ".join(f"`{name}`" for name, precision in methods.items() if precision == "bfloat16")
    full = ", ".join(f"`{name}`" for name, precision in methods.items() if precision == "full")
    return [f"Trained, and attacked while training, in bfloat16: {low}; in float32: {full}. All measured in float32."]


def compared(folders: list[Path], form: str) -> str:
    """What `robustkit compare` says of these runs."""
    command = [sys.executable, "-m", "robustkit", "compare", form, *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def plainly(attack: dict[str, Any]) -> str:
    """An attack's settings in one line."""
    loss = attack["loss"]["use"]
    return f"{attack['use']} in {attack['norm']}, eps {attack['eps']:g}, {attack['steps']} steps on the {loss} loss"


def where_they_lie(figures: dict[str, dict[str, Any]]) -> str:
    """Every method's mean accuracies against PGD-AT's, and how far on the way to natural training it is."""

    def points(method: str) -> tuple[float, float]:
        attacked = "worst-case" if "worst-case" in figures[method] else list(figures[method])[-1]
        return (100 * figures[method]["natural"]["mean"], 100 * figures[method][attacked]["mean"])

    base, end = points("pgd-at"), points("natural")
    lines = [f"Natural and (worst-case) robust accuracy against PGD-AT's {base[0]:.1f} / {base[1]:.1f}, in points:"]
    for method in (name for name in figures if name != "pgd-at"):
        gained, lost = points(method)[0] - base[0], points(method)[1] - base[1]
        way = (
            ""
            if method == "natural"
            else (
                f" ({100 * gained / (end[0] - base[0]):.0f} % of natural training's gain "
                f"for {100 * lost / (end[1] - base[1]):.0f} % of its loss)"
            )
        )
        lines.append(f"- `{method}`: {gained:+.1f} natural, {lost:+.1f} robust{way}")
    return lines[0] + "\n\n" + "\n".join(lines[1:])


if __name__ == "__main__":
    main()
