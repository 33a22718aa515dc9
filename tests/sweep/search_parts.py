"""Searches over runs that are made up: a worker that trains nothing, and writes what a run would have found."""

from __future__ import annotations

import sys
from pathlib import Path

from sweep_parts import TINY

MEASURED = TINY.replace("  every_epochs: 1000\n", "  attacks: {fgsm: {use: fgsm, eps: 0.1}}\n")
SEARCH = """\
name: found
base: measured.yaml
search:
  use: {searcher}
  trials: {trials}
  maximise: {maximise}
  space:
    learners.robust.optimizer.lr: {{low: 0.01, high: 1.0, log: true}}
    aggregator.every_epochs: [1, 2, 3]
"""
LR = "learners.robust.optimizer.lr"

WORKER = """\
import json, math, os, sys, threading, time
from pathlib import Path
import yaml

folder = Path(sys.argv[-1])
recipe = yaml.safe_load((folder / "lock.yaml").read_text(encoding="utf-8"))
lr = recipe["learners"]["robust"]["optimizer"]["lr"]
natural = 1 - abs(math.log10(lr) + 1) / 2 - 0.01 * recipe["seed"]
validation = {"natural": natural, "fgsm": natural / 2}
test = float(os.environ.get("MADE_UP_TEST_ACCURACY", 0.5))
networks = {"global": {name: {"accuracy": test} for name in validation}}
threading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()  # the search has ended
time.sleep(float(os.environ.get("MADE_UP_SECONDS", 0)))
(folder / "metrics.jsonl").write_text(json.dumps({"epoch": 3, "global": {"validation": validation}}) + "\\n")
(folder / "report.json").write_text(json.dumps({"networks": networks}))
(folder / "report.md").write_text("finished")
"""

PROGRAM = """\
import sys
from robustkit.cli import sweep_work
sweep_work.worker = lambda choice: [sys.executable, "worker.py"]
from robustkit.cli.main import main
main()
"""


def write_search(
    folder: Path, *, searcher: str = "random", trials: int = 5, maximise: str = "natural", more: str = ""
) -> Path:
    """The base recipe, the worker, and the file of a search, which is returned."""
    (folder / "measured.yaml").write_text(MEASURED, encoding="utf-8")
    (folder / "worker.py").write_text(WORKER, encoding="utf-8")
    file = folder / "search.yaml"
    text = SEARCH.format(searcher=searcher, trials=trials, maximise=maximise)
    file.write_text(text + more, encoding="utf-8")
    return file


def made_up() -> list[str]:
    """What starts the worker."""
    return [sys.executable, "worker.py"]
