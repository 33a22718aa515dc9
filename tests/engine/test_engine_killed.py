"""Power cuts: the process is gone without a word, and `robustkit run FOLDER --resume` goes on from what is on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from robustkit import run

PARTS = Path(__file__).with_name("engine_parts.py")


@pytest.fixture(scope="module")
def changes(data):
    """A run with random augmentation, dropout, averages and two kinds of optimizers."""
    learners = data()["learners"]
    learners["natural"]["strategy"] = {"use": "watched", "label": "natural"}
    learners["robust"]["optimizer"] = {"use": "adam", "lr": 0.01}
    return {
        "epochs": 3,
        "augmentation": ["brightness"],
        "architecture": {"use": "tiny", "dropout": 0.2},
        "learners": learners,
        "evaluation": {"select_by": "natural", "final_attacks": {"deadly": "deadly"}},
    }


@pytest.fixture(scope="module")
def whole(changes, recipe, plugins, tmp_path_factory):
    """The results folder of the run that nobody killed."""
    return run(recipe(**changes), output=tmp_path_factory.mktemp("whole"), plugins=plugins).path


@pytest.fixture
def robustkit(tmp_path):
    """Run the command line in a process of its own, which the moment `kill` ends."""

    def command(*words, kill=""):
        environment = {**os.environ, "TEST_KILL": kill, "OMP_NUM_THREADS": "1"}
        line = [sys.executable, "-m", "robustkit", "run", *words, "--plugin", str(PARTS), "--quiet"]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    return command


@pytest.mark.parametrize(
    ("moment", "epochs", "by"),
    [("end of epoch 1", 1, "python"), ("loss 8", 2, "command line"), ("attack 2", 3, "python")],
    ids=["after an epoch", "within an epoch", "in the final evaluation"],
)
def test_killed_and_gone_on_from(robustkit, changes, data, whole, plugins, compare, tmp_path, moment, epochs, by):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(data(**changes)))
    killed = robustkit("tiny.yaml", "--output", "run", kill=moment)
    assert killed.returncode == 9, killed.stderr
    folder = tmp_path / "run"
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == epochs
    assert not (folder / "report.json").exists()
    if by == "python":
        run(folder, resume=True, plugins=plugins)
    else:
        resumed = robustkit("run", "--resume")
        assert resumed.returncode == 0, resumed.stderr
    assert compare.difference(whole, folder) == []
