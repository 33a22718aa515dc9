"""docs/results.md is what was measured, and what it says of differences is right."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import ttest_rel

from benchmarks.ledger import collected, page, running
from benchmarks.ledger.rows import Row, difference, rows
from benchmarks.ledger.studies import RECIPES, ROOT, STUDIES
from robustkit import load_recipe, run

RUNS = [
    {"name": name, "seed": seed, "accuracies": {"natural": natural, "pgd": robust}, "training_seconds": 10.0 * seed}
    for name, figures in {"one": [(0.8, 0.5), (0.9, 0.4)], "other": [(0.7, 0.6), (0.75, 0.7)]}.items()
    for seed, (natural, robust) in enumerate(figures, 1)
]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("ledger") / "one"
    words = ["name=one", "epochs=1", "train_examples=64", "validation_examples=10", "evaluation.test_examples=20"]
    run(load_recipe("pgd-at", *words, "learners.robust.optimizer.lr=0.05"), output=folder)
    return folder


def test_the_committed_page_is_that_of_the_committed_figures() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), "give `python -m benchmarks.ledger write`"


def test_rows_stand_in_the_order_asked_for_with_their_seeds_together() -> None:
    other, one = rows(RUNS, ["other", "not there", "one"])
    assert (other.name, one.name) == ("other", "one")
    assert one.values("natural") == pytest.approx([80.0, 90.0])
    assert one.cell("pgd") == f"45.0 ± {statistics.stdev([50, 40]):.1f}"


@pytest.mark.parametrize(
    ("accuracies", "strongest"),
    [
        ({"natural": 1.0, "pgd": 0.5}, "pgd"),
        ({"natural": 1.0, "a": 0.5, "b": 0.4, "worst-case": 0.3}, "worst-case"),
        ({"natural": 1.0, "worst-case": 0.3, "autoattack": 0.2}, "autoattack"),
    ],
)
def test_the_strongest_accuracy_is_the_robust_one(accuracies: dict[str, float], strongest: str) -> None:
    assert Row("one", {1: accuracies}).strongest == strongest


def test_a_difference_is_that_of_a_paired_t_test() -> None:
    first, second = [80.0, 82.0, 85.0], [79.0, 78.5, 83.0]
    row = Row("row", {seed: {"natural": value} for seed, value in enumerate(first)})
    base = Row("base", {seed: {"natural": value} for seed, value in enumerate([*second, 10.0])})
    found, reference = difference(row, base, "natural"), ttest_rel(first, second)
    low, high = reference.confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((statistics.mean([1, 3.5, 2]), low, high))
    assert found.beyond_chance == (reference.pvalue < 0.05)


def test_one_seed_in_common_gives_no_interval() -> None:
    one, other = Row("one", {1: {"natural": 1.0}}), Row("other", {1: {"natural": 1.0}, 2: {"natural": 2.0}})
    with pytest.raises(ValueError, match="1 seeds in common"):
        difference(one, other, "natural")


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_every_study_names_a_sweep_and_has_its_finding(study: Any) -> None:
    assert (ROOT / study.sweep).is_file()
    assert study.base is None or (ROOT / study.base).is_file()
    found = collected.load(study.name)
    assert (found is None) == (not study.finding), "a finding is written once there are figures, and not before"
    assert found is None or min(len(row.seeds) for row in rows(found["runs"])) >= 3


def test_recipes_on_the_digits_are_found_by_their_data_set() -> None:
    names = running.digits_recipes()
    assert "generalist" in names
    assert "generalist-cifar10" not in names
    assert all(load_recipe(RECIPES / f"{name}.yaml").dataset.name == "digits" for name in names)


def test_what_is_collected_is_the_global_learners_and_autoattacks(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collected, "RUNS", tmp_path)
    monkeypatch.setattr(collected, "MEASURED", tmp_path / "measured")
    study = STUDIES[0]
    folder = tmp_path / study.name
    (folder / "runs").mkdir(parents=True)
    (folder / "runs" / "one_seed-1").symlink_to(run_folder)
    (folder / "comparison.json").write_text(json.dumps({"settings": {"one": ["epochs=1"]}}))
    (folder / "autoattack").mkdir()
    stronger = {"networks": {"global": {"autoattack": {"accuracy": 0.125}}}, "attacks": {"autoattack": {"eps": 0.1}}}
    (folder / "autoattack" / "one_seed-1.json").write_text(json.dumps(stronger))
    file = collected.collect(study)
    assert file is not None
    found = json.loads(file.read_text())
    report = json.loads((run_folder / "report.json").read_text())
    (row,) = found["runs"]
    assert found["changes"] == {"one": ["epochs=1"]}
    assert row["accuracies"].pop("autoattack") == 0.125
    assert row["accuracies"] == {name: value["accuracy"] for name, value in report["networks"]["global"].items()}
    assert collected.collect(STUDIES[1]) is None
