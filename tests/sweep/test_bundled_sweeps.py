"""The ablations of the paper: every one of their settings is a recipe, on the digits and on Fashion-MNIST."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweep_parts import runs_of

from robustkit.plugin.manager import installed
from robustkit.recipe.bundled import bundled_sweeps
from robustkit.recipe.lock import components_in

ROOT = Path(__file__).parents[2]
SWEEPS = {path.stem: path for path in sorted((ROOT / "recipes" / "sweeps").iterdir())}
FASHION = ROOT / "benchmarks" / "fashion-mnist" / "generalist.yaml"
SETTINGS = {
    "averaged-or-raw": 4,
    "figure-4a": 4,
    "joint-or-two": 5,
    "mix": 7,
    "optimizers": 7,
    "redistribution": 6,
    "start-and-interval": 6,
}


def test_every_ablation_is_there_by_name_and_is_no_recipe() -> None:
    assert {name: name for name in SETTINGS} == {name: path.stem for name, path in SWEEPS.items()}
    assert list(bundled_sweeps()) == list(SETTINGS)
    assert not set(SETTINGS) & set(installed().registry.recipes)


@pytest.mark.parametrize("base", [None, str(FASHION)], ids=["digits", "fashion-mnist"])
@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_a_recipe_of_its_own(name: str, base: str | None) -> None:
    runs = runs_of(name, base=base)
    assert len({run.setting for run in runs}) == SETTINGS[name]
    assert [run.recipe.seed for run in runs] == sorted([1, 2, 3] * SETTINGS[name])
    assert {run.recipe.epochs for run in runs} == {16}
    assert {run.recipe.dataset.name for run in runs} == {"fashion-mnist" if base else "digits"}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_file_opens_with_what_it_is_and_its_commands(name: str) -> None:
    text = SWEEPS[name].read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    assert f"robustkit sweep recipes/sweeps/{name}.yaml --jobs 2" in head
    assert f"recipes/sweeps/{name}.yaml --base benchmarks/fashion-mnist/generalist.yaml dataset.root=DIR" in head
    assert f"\nname: {name}\n" in text


def test_figure_4a_averages_what_its_rows_say() -> None:
    kept = {
        run.setting: [name for name, learner in run.recipe.learners.items() if learner.averaging]
        for run in runs_of("figure-4a")
    }
    assert kept == {
        "neither": [],
        "natural-only": ["natural"],
        "robust-only": ["robust"],
        "both": ["natural", "robust"],
    }


def test_joint_training_differs_from_two_learners_in_what_it_should() -> None:
    by_name = {run.setting: run.recipe for run in runs_of("joint-or-two")}
    two, joint = by_name["two-learners"], by_name["joint-0.5-averaged"]
    assert list(joint.learners) == ["robust"]
    assert joint.learners["robust"].optimizer == two.learners["robust"].optimizer
    attacks = [components_in(recipe.learners["robust"].strategy)[1:] for recipe in (two, joint)]
    assert attacks[0] == attacks[1]
    assert joint.learners["robust"].averaging == two.learners["robust"].averaging
    assert by_name["joint-0.5"].learners["robust"].averaging is None
