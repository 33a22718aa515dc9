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
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from robustkit import load_run

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "tradeoff"
METHODS = ("natural", "pgd-at", "joint", "generalist", "generalist-early-mix")
STUDIES = {
    "digits": ("Digits", ROOT / "recipes"),
    "fashion-mnist": ("Fashion-MNIST", ROOT / "benchmarks" / "fashion-mnist"),
}


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
    todo = [(method, seed) for seed in range(1, seeds + 1) for method in METHODS]
    with ThreadPoolExecutor(jobs) as pool:
        for line in pool.map(lambda job: run_one(study, *job, data), todo):
            print(line, flush=True)


def run_one(study: str, method: str, seed: int, data: str | None) -> str:
    """Finish one run in a process of its own."""
    folder = RUNS / study / f"{method}-{seed}"
    if (folder / "report.json").is_file():
        return f"{folder.name}: was finished"
    recipe = STUDIES[study][1] / f"{method}.yaml"
    words = [str(recipe), f"seed={seed}", "threads=1", "device=cpu", "--output", str(folder)]
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
        "This page is written by `python -m benchmarks.tradeoff --write` from the results folders of finished runs; nobody "
        "typed a figure. Accuracies are percent of test examples, mean and sample standard deviation over seeds; robust "
        "accuracy is an upper bound that a stronger attack may lower.",
    ]
    for study in STUDIES:
        parts += study_part(study)
    return "\n\n".join(parts) + "\n"


def study_part(study: str) -> list[str]:
    """One study's heading, table and circumstances; nothing where there are no finished runs."""
    folders = sorted(folder for folder in (RUNS / study).glob("*") if (folder / "report.json").is_file())
    if not folders:
        return []
    runs = [load_run(folder) for folder in folders]
    first, seconds = runs[0], sum(run.report["cost"]["training_seconds"] for run in runs)
    table = subprocess.run(
        [sys.executable, "-m", "robustkit", "compare", "--markdown", *map(str, folders)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    examples = first.report["examples"]
    seeds = len({run.report["seed"] for run in runs})
    return [
        f"## {STUDIES[study][0]}",
        table.strip(),
        f"{examples['train']:,} training examples, {examples['validation']:,} for validation, {examples['test']:,} test "
        f"examples; {first.recipe.epochs} epochs; {seeds} seeds; the recipes are in "
        f"`{STUDIES[study][1].relative_to(ROOT)}`. {first.report['selection']['text'].split(':')[0]} or as each recipe says. "
        f"CPU ({platform.machine()}), torch {first.recipe.lock['libraries']['torch'] if first.recipe.lock else '?'}, "
        f"{seconds / 3600:.1f} hours of training in all, one thread a run.",
        between(study, runs),
        f"Command: `python -m benchmarks.tradeoff {study} --seeds {seeds}"
        f"{' --data DIR' if study != 'digits' else ''}`, then `--write`.",
    ]


def between(study: str, runs: list) -> str:  # type: ignore[type-arg]
    """Where Generalist lies between natural training and PGD-AT, measured on the mean figures."""
    means: dict[str, tuple[float, float]] = {}
    for method in METHODS:
        figures = [run.report["networks"]["global"] for run in runs if run.report["name"].removesuffix(f"-{study}") == method]
        if figures:
            attack = [name for name in figures[0] if name not in ("natural", "worst-case")][-1]
            means[method] = tuple(  # type: ignore[assignment]
                100 * sum(figure[part]["accuracy"] for figure in figures) / len(figures) for part in ("natural", attack)
            )
    if not {"natural", "pgd-at"} <= means.keys():
        return ""
    lines = []
    for method in (name for name in METHODS if name not in ("natural", "pgd-at") and name in means):
        natural, robust = (
            (means[method][axis] - means["pgd-at"][axis]) for axis in (0, 1)
        )
        lines.append(f"`{method}` {natural:+.1f} natural and {robust:+.1f} robust")
    gap = tuple(means["natural"][axis] - means["pgd-at"][axis] for axis in (0, 1))
    return (
        f"Against PGD-AT, in points: natural training {gap[0]:+.1f} natural and {gap[1]:+.1f} robust; "
        + "; ".join(lines)
        + "."
    )


if __name__ == "__main__":
    main()
