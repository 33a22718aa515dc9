"""The program that compares estimates with runs: what it runs can be run, and its ratios are of the right things."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import estimates
from robustkit import load_recipe


def test_every_recipe_and_its_overrides_can_be_read() -> None:
    found = estimates.recipes(Path("nowhere"))
    assert list(found) == ["generalist", "pgd-at", "resnet18"]
    assert load_recipe(*found["resnet18"]).architecture.name == "resnet18"
    assert list(estimates.recipes(None)) == ["generalist", "pgd-at"]


def test_what_a_run_took_is_told_apart() -> None:
    took = estimates.taken("pgd-at", "epochs=1", "learners.robust.optimizer.lr=0.05", "evaluation.test_examples=20")
    assert took["seconds"] == pytest.approx(took["training"] + took["evaluation"])
    assert min(took.values()) > 0


def test_ratios_are_estimates_by_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    estimated = {
        "total": {"seconds": 30.0, "seconds_at_most": 40.0},
        "training": {"seconds": 20.0},
        "validation": {"seconds": 4.0},
        "final_evaluation": {"seconds": 6.0},
        "memory": {"peak": 900},
        "calibration": {"seconds": 10.0},
    }
    took = {"seconds": 25.0, "training": 16.0, "evaluation": 9.0, "peak_memory": 1000}
    answers = iter([estimated, took])
    monkeypatch.setattr(estimates, "_process", lambda *words, threads: next(answers))
    found = estimates.compared(["generalist"], 1)
    assert found["ratio"] == pytest.approx({"seconds": 1.2, "training": 1.5, "evaluation": 2 / 3, "peak_memory": 0.9})
