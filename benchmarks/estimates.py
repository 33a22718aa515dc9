"""How near `robustkit estimate` comes to the time and memory that a run really takes.

    python -m benchmarks estimates --data DIR      DIR holds fashion-mnist/train.npz and test.npz
    python -m benchmarks.estimates --only pgd-at   prints JSON, and keeps nothing

For each recipe: the estimate in one process, then the run in another, both with so many threads as --threads says, and
`ratio`, what was estimated by what it took. Progress goes to stderr. Run it on a machine that does nothing
else: the estimate cannot know what else will be going on.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import robustkit
from benchmarks.rounds import said
from robustkit.engine.listener import Listener, Watched

ROOT = Path(__file__).resolve().parents[1]
FASHION = str(ROOT / "benchmarks" / "fashion-mnist" / "generalist.yaml")
SHORT = (
    "architecture=resnet18",
    "train_examples=1280",
    "epochs=2",
    "validation_examples=16",
    "evaluation.test_examples=24",
    "evaluation.every_epochs=2",
    "aggregator.start_epoch=1",
    "aggregator.mix={robust: 0.5}",
    "learners.natural.optimizer.lr=0.05",
    "learners.robust.optimizer.lr=0.05",
)
"""A ResNet-18 for a few minutes instead of hours; measuring keeps about the share of the time that it has in long runs.

After twenty steps fewer examples are right than the estimate assumes of a trained network, so it should come out above.
"""


def main() -> None:
    """The command; with --run, the part of it that runs one recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="for the ResNet-18; without it, that is left out")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="N")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this recipe; may be repeated")
    parser.add_argument("--run", nargs="+", metavar="WORD", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        return print(json.dumps(taken(*given.run)))
    chosen = {name: words for name, words in recipes(given.data).items() if name in (given.only or [name])}
    return print(json.dumps({name: compared(words, given.threads) for name, words in chosen.items()}, indent=2))


def recipes(data: Path | None) -> dict[str, list[str]]:
    """What is estimated and run: a recipe and its overrides, by a name."""
    found = {"generalist": ["generalist"], "pgd-at": ["pgd-at"]}
    if data is not None:
        files = {split: str((data / "fashion-mnist" / f"{split}.npz").resolve()) for split in ("train", "test")}
        found["resnet18"] = [FASHION, f"dataset={json.dumps({'use': 'arrays', **files})}", *SHORT]
    return found


def compared(words: list[str], threads: int, seconds: float | None = None) -> dict[str, Any]:
    """The estimate, from so many seconds or its own ten, what was really taken, and the ratios of both."""
    said(f"estimating {' '.join(words)}")
    limit = [] if seconds is None else ["--seconds", f"{seconds:g}"]
    estimated = _process("-m", "robustkit", "estimate", "--json", *words, *limit, threads=threads)
    said("running it")
    took = _process("-m", "benchmarks.estimates", "--run", *words, threads=threads)
    guess = {
        "seconds": estimated["total"]["seconds"],
        "training": estimated["training"]["seconds"] + estimated["validation"]["seconds"],
        "evaluation": estimated["final_evaluation"]["seconds"],
        "peak_memory": estimated["memory"]["peak"],
    }
    return {
        "threads": threads,
        "calibration_seconds": estimated["calibration"]["seconds"],
        "estimated": guess,
        "at_most": estimated["total"]["seconds_at_most"],
        "taken": took,
        "ratio": {name: guess[name] / took[name] for name in guess if took[name]},
    }


def _process(*words: str, threads: int) -> Mapping[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


class _Times(Listener):
    """When training began and ended, and when the report was there."""

    def started(self, run: Watched) -> None:
        self.began = time.perf_counter()

    def epoch_ended(self, run: Watched, metrics: Mapping[str, Any]) -> None:
        self.trained = time.perf_counter()

    def ended(self, run: Watched, report: Mapping[str, Any]) -> None:
        self.finished = time.perf_counter()


def taken(recipe: str, *overrides: str) -> dict[str, float]:
    """Run it; seconds of training with validation and checkpoints, of the final evaluation, and bytes at the peak."""
    times = _Times()
    with tempfile.TemporaryDirectory() as folder:
        robustkit.run(recipe, *overrides, output=Path(folder, "run"), listener=times)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    return {
        "seconds": times.finished - times.began,
        "training": times.trained - times.began,
        "evaluation": times.finished - times.trained,
        "peak_memory": peak,
    }


if __name__ == "__main__":
    main()
