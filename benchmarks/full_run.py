"""The wall time of a whole run, in pieces where a machine is lent for minutes at a time.

    python -m benchmarks.full_run RECIPE [PATH=VALUE ...] --output DIR --minutes 9
    python -m benchmarks.full_run recipes/generalist-cifar10.yaml device=cuda --output runs/full --minutes 9

Each call goes on where the last one stopped, and stops by itself before its minutes are over: it times the epochs and
begins none that would not be finished. What a call prints at its end, as JSON and into DIR/wall.json, is the time of
all calls together: training, validation and checkpoints epoch by epoch, the time around them, and the final evaluation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks import machine
from robustkit import load_recipe, load_run


def main(words: list[str] | None = None) -> None:
    """Go on with the run for as long as there is time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="PATH=VALUE")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, help="stop before so many are over; by default when the run is done")
    given = parser.parse_args(words)
    deadline = time.monotonic() + 60 * (given.minutes or 1e9)
    epochs = load_recipe(given.recipe, *given.overrides).epochs
    while (done := epochs_done(given.output)) < epochs or not (given.output / "report.json").is_file():
        stop = last_epoch_in_time(given.output, done, epochs, deadline - time.monotonic())
        if stop is None:
            break
        advance(given.recipe, given.overrides, given.output, None if stop == epochs else stop)
    print(json.dumps(summary(given.output, epochs), indent=2))


def epochs_done(output: Path) -> int:
    """How many epochs the run has behind it."""
    return len(load_run(output).metrics) if (output / "checkpoint.safetensors").is_file() else 0


def last_epoch_in_time(output: Path, done: int, epochs: int, seconds: float) -> int | None:
    """The epoch to stop after; None where not even one fits. A first call times one epoch before it plans.

    What starting a process costs, and the last epoch's final evaluation, count as two epochs.
    """
    if done == 0:
        return min(1, epochs)
    one = max(line["seconds"] for line in load_run(output).metrics)
    left = int(seconds / one) - 2
    if done == epochs:
        return epochs
    return min(epochs, done + left) if left > 0 else None


def advance(recipe: str, overrides: list[str], output: Path, stop: int | None) -> None:
    """Run until after this epoch, or to the end, in a process of its own; its wall time is added to wall.json."""
    words = ["run", recipe, *overrides, "--quiet", "--output", str(output)]
    words += ["--resume"] if (output / "checkpoint.safetensors").is_file() else []
    words += [] if stop is None else ["--stop-after", str(stop)]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "robustkit", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"robustkit {' '.join(words)} failed:\n{done.stdout}\n{done.stderr}")
    kept = output / "wall.json"
    before: list[float] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else []
    kept.write_text(json.dumps([*before, time.perf_counter() - started]), encoding="utf-8")


def summary(output: Path, epochs: int) -> dict[str, Any]:
    """Where the time went so far."""
    run = load_run(output)
    metrics = run.metrics
    wall = json.loads((output / "wall.json").read_text(encoding="utf-8"))
    training = sum(line["seconds"] for line in metrics)
    finished = (output / "report.json").is_file()
    evaluation = (
        sum(sum(parts.values()) for parts in run.report["cost"]["evaluation_seconds"].values()) if finished else 0.0
    )
    rates = sorted(line["images_per_second"] for line in metrics)
    return {
        "machine": machine.facts(
            torch.get_num_threads(), run.recipe.device if run.recipe.device.startswith("cuda") else "cpu"
        ),
        "recipe": run.recipe.name,
        "finished": finished,
        "epochs": [len(metrics), epochs],
        "calls": len(wall),
        "wall_seconds": sum(wall),
        "epoch_seconds": training,
        "evaluation_seconds": evaluation,
        "around_seconds": sum(wall) - training - evaluation,
        "images_per_second_median": rates[len(rates) // 2],
        "wall_seconds_of_all_epochs": sum(wall) * epochs / len(metrics),
    }


if __name__ == "__main__":
    main()
