"""`compare`: the table of finished runs, against figures computed by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cli_parts import Invoke

from robustkit.errors import InputError, WeightsError
from robustkit.evaluation.comparison import ComparedRun, compare, figure
from robustkit.evaluation.measurement import Accuracy

PGD = {"use": "pgd", "eps": 0.1, "steps": 10}


def run(
    label: str,
    correct: dict[str, int],
    *,
    name: str = "a",
    seed: int = 1,
    examples: int = 100,
    attack: dict[str, Any] | None = None,
    **recipe: Any,
) -> ComparedRun:
    figures = {part: Accuracy(count, examples).plain() for part, count in correct.items()}
    attacks = {part: attack or PGD for part in correct if part not in ("natural", "worst-case")}
    report = {
        "name": name,
        "seed": seed,
        "networks": {"global": figures, "natural": figures},
        "attacks": attacks,
        "examples": {"test": examples},
    }
    return ComparedRun(label, report, {"name": name, "seed": seed, "dataset": {"use": "digits"}, **recipe})


def test_seeds_of_one_recipe_are_a_mean_with_the_sample_deviation() -> None:
    runs = [run(f"r{seed}", {"natural": count}, seed=seed) for seed, count in ((3, 94), (1, 90), (2, 92))]
    comparison = compare(runs)
    (row,) = comparison.rows
    assert (row.name, row.network, row.seeds, row.runs) == ("a", "global", (1, 2, 3), ("r1", "r2", "r3"))
    found = row.figures["natural"]
    assert found.mean == pytest.approx(0.92)
    assert found.deviation == pytest.approx(0.02)  # sqrt((0.02^2 + 0 + 0.02^2) / 2)
    assert (found.runs, found.interval) == (3, None)
    assert str(found) == "92.0 ± 2.0 %"
    assert comparison.warnings == ()


def test_a_single_run_has_its_interval() -> None:
    found = figure([Accuracy(90, 100).plain()])
    assert (found.mean, found.runs, found.deviation) == (0.9, 1, None)
    # Wilson: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with p = 0.9, n = 100, z = 1.96
    assert found.interval == pytest.approx((0.82563, 0.94477), abs=1e-5)
    assert str(found) == "90.0 % (82.6-94.5)"


def test_recipes_stand_below_each_other_with_a_dash_for_what_one_lacks() -> None:
    first = run("x", {"natural": 90, "pgd": 40, "worst-case": 40})
    second = run("y", {"natural": 80, "noise": 70}, name="b")
    head, rows = compare([first, second]).cells()
    assert head == ["recipe", "seeds", "natural", "pgd", "noise", "worst-case"]
    assert [row[0] for row in rows] == ["a", "b"]
    assert rows[0][4] == "-"
    assert rows[1][3] == "-"
    assert rows[1][5] == "-"


def test_all_networks_or_one() -> None:
    head, rows = compare([run("x", {"natural": 90})], "all").cells()
    assert head[1] == "network"
    assert [row[1] for row in rows] == ["global", "natural"]
    assert [row.network for row in compare([run("x", {"natural": 90})], "natural").rows] == ["natural"]
    with pytest.raises(InputError, match=r"x: no network 'natrual'\. Did you mean 'natural'\?"):
        compare([run("x", {"natural": 90})], "natrual")


def test_runs_of_one_name_that_are_different_recipes_are_not_averaged() -> None:
    runs = [
        run("x", {"natural": 90}, epochs=40),
        run("y", {"natural": 80}, epochs=30, seed=2),
        run("z", {"natural": 92}, epochs=40, seed=2, device="cuda", threads=4, lock={"host": "elsewhere"}),
    ]
    comparison = compare(runs)
    assert [(row.name, row.seeds) for row in comparison.rows] == [("a (x)", (1, 2)), ("a (y)", (2,))]
    (warning,) = comparison.warnings
    assert "x and y are both named a but are different recipes, so they are not averaged" in warning
    assert "epochs: 40 in x, 30 in y" in warning


def test_where_the_data_lies_does_not_make_another_recipe() -> None:
    here = {"use": "cifar10", "root": "data", "download": False}
    runs = [
        run("x", {"natural": 90}, dataset=here),
        run("y", {"natural": 80}, seed=2, dataset={**here, "root": "/elsewhere"}),
    ]
    comparison = compare(runs)
    assert [row.seeds for row in comparison.rows] == [(1, 2)]
    text = "a: the folder of the data is not the same everywhere: data in x; /elsewhere in y."
    assert comparison.warnings == (text,)


def test_a_repeated_seed_is_no_independent_run() -> None:
    (warning,) = compare([run("x", {"natural": 90}), run("y", {"natural": 90})]).warnings
    assert warning.startswith("x and y have the same seed, 1")


def test_attacks_of_one_name_that_differ_are_named() -> None:
    strong = {**PGD, "steps": 100}
    runs = [run("x", {"natural": 9, "pgd": 4}), run("y", {"natural": 9, "pgd": 3}, name="b", attack=strong)]
    assert compare(runs).warnings == ("pgd is not the same attack everywhere: steps: 10 in x, 100 in y",)


def test_other_numbers_of_examples_data_sets_and_worst_cases_are_named() -> None:
    parts = {"natural": 9, "pgd": 4, "fgsm": 5}
    runs = [
        run("x", parts),
        run("y", {"natural": 9, "pgd": 4, "noise": 5}, name="b", examples=50, dataset={"use": "mnist"}),
    ]
    text = "\n".join(compare(runs).warnings)
    assert "the number of test examples is not the same everywhere: 100 in x; 50 in y." in text
    assert "the data set is not the same everywhere: digits in x; mnist in y." in text
    assert "the attacks behind worst-case are not the same everywhere: fgsm, pgd in x; noise, pgd in y." in text


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(WeightsError, match="x: its report lacks networks, attacks"):
        ComparedRun("x", {"name": "a", "seed": 1, "examples": {}}, {})


def seeds(finished: Path) -> list[Path]:
    """The finished run, and one that claims another seed and got ten examples fewer right."""
    other = Path("other")
    shutil.copytree(finished, other)
    report = json.loads((other / "report.json").read_text(encoding="utf-8"))
    report["seed"] = 2
    for accuracy in report["networks"]["global"].values():
        accuracy["accuracy"] -= 0.1
    (other / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return [finished, other]


def test_compare_prints_a_table(invoke: Invoke, finished: Path, tiny: Path) -> None:
    result = invoke("compare", *seeds(finished))
    assert result.exit_code == 0
    assert result.stderr == ""
    natural = json.loads((finished / "report.json").read_text(encoding="utf-8"))["networks"]["global"]["natural"]
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["recipe", "seeds", "natural", "pgd-2", "noise", "worst-case"]
    mean = 100 * natural["accuracy"] - 5
    assert lines[1].startswith(f"tiny    1, 2   {mean:.1f} ± 7.1 %")  # 10 points apart: 10 / sqrt(2)


def test_compare_as_markdown_and_json(invoke: Invoke, finished: Path, tiny: Path) -> None:
    markdown = invoke("compare", finished, "--markdown", "--network", "all").stdout.splitlines()
    assert markdown[0].startswith("| recipe | network | seeds | natural")
    assert [line.split(" | ")[1].strip() for line in markdown[2:]] == ["global", "natural", "robust"]
    found = json.loads(invoke("compare", *seeds(finished), "--json").stdout)
    assert found["rows"][0]["seeds"] == [1, 2]
    assert found["rows"][0]["figures"]["natural"]["deviation"] == pytest.approx(0.0707107, abs=1e-6)


def test_an_unfinished_run_names_the_way_out(invoke: Invoke, finished: Path, tiny: Path) -> None:
    shutil.copytree(finished, "half")
    Path("half/report.json").unlink()
    result = invoke("compare", finished, "half")
    assert result.exit_code == 2
    assert result.stderr == ("error: half: not finished, 2 of 2 epochs. Go on with it: robustkit run half --resume\n")
    assert "it has no lock.yaml" in invoke("compare", ".").stderr
    Path("half/lock.yaml").write_text("- 1\n", encoding="utf-8")
    assert "holds no recipe" in invoke("compare", "half").stderr


def test_two_runs_are_compared_example_by_example(invoke: Invoke, finished: Path, tiny: Path) -> None:
    for name, seed in (("one", 1), ("other", 2)):
        words = ["--attack", "pgd:eps=0.1,steps=3", "--network", "robust", "--examples", 30, f"seed={seed}"]
        assert invoke("evaluate", finished, *words, "--output", name, "-q").exit_code == 0
    assert invoke("evaluate", finished, "--network", "natural", "--examples", 30, "--output", "third").exit_code == 0
    result = invoke("compare", "one", "other", "--network", "robust", "--flips")
    assert result.exit_code == 0, result.output
    assert "second minus first, on the 30 examples that both have" in result.stdout
    assert "within noise" in result.stdout
    found = json.loads(invoke("compare", "one", "other", "--network", "robust", "--json").stdout)
    assert [part["part"] for part in found["paired"]] == ["natural", "pgd"]
    assert found["paired"][0]["points"] == 0
    shutil.rmtree(Path("one", "examples"))
    assert "one kept no examples of robust" in invoke("compare", "one", "other", "--network", "robust").stderr
    assert "--flips: expected two runs, got 1" in invoke("compare", "other", "--flips", "--network", "robust").stderr
