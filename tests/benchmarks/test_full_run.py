"""The program that times whole runs in pieces: it goes on, stops in time, and adds up what all calls took."""

from __future__ import annotations

import json

import pytest

from benchmarks import full_run

SMALL = [
    *("recipes/natural.yaml", "epochs=3", "learners.natural.optimizer={use: sgd, lr: 0.05}", "train_examples=256"),
    *("evaluation.final_attacks={}", "evaluation.attacks={}", "evaluation.test_examples=50", "device=cpu"),
]


def test_a_run_in_pieces_adds_up(tmp_path, capsys):
    output = str(tmp_path / "run")
    full_run.main([*SMALL, "--output", output, "--minutes", "0.001"])  # time for the first epoch only
    first = json.loads(capsys.readouterr().out)
    assert (first["finished"], first["epochs"], first["calls"]) == (False, [1, 3], 1)
    full_run.main([*SMALL, "--output", output, "--minutes", "10"])
    whole = json.loads(capsys.readouterr().out)
    assert (whole["finished"], whole["epochs"], whole["calls"]) == (True, [3, 3], 2)
    assert whole["wall_seconds"] > whole["epoch_seconds"] + whole["evaluation_seconds"] > 0
    full_run.main([*SMALL, "--output", output])
    again = json.loads(capsys.readouterr().out)
    assert (again["wall_seconds"], again["calls"]) == (whole["wall_seconds"], 2), "a finished run was run again"


@pytest.mark.parametrize(
    ("done", "seconds", "stop"), [(0, 1.0, 1), (4, 100.0, 10), (4, 50.0, 7), (4, 29.0, None), (10, 0.0, 10)]
)
def test_no_epoch_is_begun_that_would_not_be_finished(done, seconds, stop, monkeypatch, tmp_path):
    """Epochs take 10 s, and two of them are kept for starting and for measuring."""
    monkeypatch.setattr(full_run, "load_run", lambda _: type("Run", (), {"metrics": [{"seconds": 10.0}]}))
    assert full_run.last_epoch_in_time(tmp_path, done, 10, seconds) == stop


def test_a_failing_run_says_why(tmp_path):
    with pytest.raises(SystemExit, match=r"there is no such file|no such|expected"):
        full_run.advance("recipes/natural.yaml", ["epochs=0"], tmp_path / "run", None)
