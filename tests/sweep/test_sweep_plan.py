"""What runs a sweep has, and what is wrong with one that has none."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from sweep_parts import VARIANTS, runs_of, sweep

from robustkit.engine.sweep.spec import WITHOUT
from robustkit.errors import InputError, RecipeError
from robustkit.recipe.lock import differences, resolved


def test_every_combination_with_every_seed_in_a_fixed_order(tiny: Path) -> None:
    runs = runs_of(tiny, grid=("aggregator.every_epochs=1,2", "learners.natural.optimizer.lr=0.1,0.2", "seed=1..2"))
    assert [run.name for run in runs] == [
        f"every_epochs-{every}_lr-{lr}_seed-{seed}" for seed in (1, 2) for every in (1, 2) for lr in (0.1, 0.2)
    ]
    base = resolved(runs[0].recipe)
    assert differences(base, resolved(runs[-1].recipe)) == [
        "name: 'every_epochs-1_lr-0.1' then, 'every_epochs-2_lr-0.2' now",
        "learners.natural.optimizer.lr: 0.1 then, 0.2 now",
        "aggregator.every_epochs: 1 then, 2 now",
        "seed: 1 then, 2 now",
    ]


def test_variants_of_a_file_and_words_behind_it(tiny: Path) -> None:
    Path("v.yaml").write_text(VARIANTS, encoding="utf-8")
    runs = runs_of("v.yaml", "epochs=4", grid=("seed=7",))
    assert [run.name for run in runs] == ["neither_seed-7", "both_seed-7", "robust_seed-7"]
    assert [run.changes for run in runs] == [
        ("learners.robust.averaging=null",),
        ("learners.natural.averaging={decay: 0.5}",),
        (),
    ]
    kept = [[name for name, part in run.recipe.learners.items() if part.averaging] for run in runs]
    assert kept == [[], ["natural", "robust"], ["robust"]]
    assert {(run.recipe.epochs, run.recipe.seed, run.recipe.threads) for run in runs} == {(4, 7, 1)}


def test_the_seed_and_the_threads_of_the_base_hold_where_nothing_else_is_said(tiny: Path) -> None:
    (run,) = runs_of(tiny, "seed=5", "threads=2")
    assert run.name == "tiny_seed-5"
    assert (run.recipe.name, run.recipe.seed, run.recipe.threads) == ("tiny", 5, 2)


def test_parts_are_taken_out_before_changes_are_laid_over(tiny: Path) -> None:
    variant = {WITHOUT: ["learners.natural"], "learners.robust.strategy.use": "joint", "aggregator": "single"}
    Path("v.yaml").write_text(yaml.safe_dump({"base": "tiny.yaml", "variants": {"joint": variant}}), encoding="utf-8")
    (run,) = runs_of("v.yaml")
    assert list(run.recipe.learners) == ["robust"]
    assert run.recipe.learners["robust"].strategy.name == "joint"
    assert run.changes[0] == "without learners.natural"


def test_another_base_takes_the_place_of_the_files(tiny: Path) -> None:
    Path("v.yaml").write_text(VARIANTS, encoding="utf-8")
    Path("other.yaml").write_text(tiny.read_text(encoding="utf-8").replace("epochs: 3", "epochs: 9"), encoding="utf-8")
    assert {run.recipe.epochs for run in runs_of("v.yaml", base="other.yaml")} == {9}


def test_a_sweep_written_out_is_read_as_the_same_sweep(tiny: Path) -> None:
    Path("v.yaml").write_text(VARIANTS, encoding="utf-8")
    optimizer = "learners.natural.optimizer={use: sgd, lr: {0: 0.1, 3: 5e-4}},{use: sam, lr: 0.1}"
    words = {"grid": ("aggregator.mix.robust=0.5,0.25", optimizer)}
    before = sweep("v.yaml", "epochs=4", **words)
    Path("written.yaml").write_text(before.text(), encoding="utf-8")
    assert runs_of("written.yaml") == runs_of("v.yaml", "epochs=4", **words)


def test_all_problems_of_all_settings_come_at_once_each_once(tiny: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        runs_of(tiny, grid=("aggregator.every_epochs=1,none", "learners.natural.optimizer.lr=0.1,-1"))
    text = str(caught.value)
    assert text.count("aggregator.every_epochs: expected a whole number of at least 1, got 'none'") == 1
    assert text.count("learners.natural.optimizer.lr: expected a number of at least 0, got -1") == 1
    assert "every_epochs-none_lr-0.1 and 1 more:" in text
    assert text.endswith("3 of 4 settings are no recipes.")


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (("aggregator.every_epochs=1,1.0",), "are the same recipe"),
        (("aggregator.every_epochs=1", "aggregator.every_epochs=2"), "given twice"),
        (("seed=1,1",), "a seed is given twice"),
        (("seed=-1",), "at least 0"),
        (("name=a,b",), "names its runs itself"),
        (("seed=1..9999", "epochs=1,2,3"), "the most are 10,000"),
        (("epochs.x=1,2",), "has no key 'x'"),
    ],
)
def test_grids_that_make_no_sweep(tiny: Path, grid: tuple[str, ...], said: str) -> None:
    with pytest.raises((InputError, RecipeError), match=said):
        runs_of(tiny, grid=grid)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: tiny.yaml\nvariant: {a: {}}", r"f.yaml:2:1: variant: unknown key 'variant'. Did you mean 'variants'\?"),
        ("base: tiny.yaml\nvariants: {a/b: {}}", "expected letters, digits"),
        ("base: tiny.yaml\nvariants: {a: {seed: 1}}", "a key of their own, `seeds`"),
        ("base: tiny.yaml\nvariants: {a: {without: learners}}", "expected a list of paths"),
        ("base: tiny.yaml\nvariants: {a: {without: [learners.x]}}", "the base recipe has nothing there"),
        ("base: tiny.yaml\ngrid: {epochs: []}", "at least one value"),
        ("base: tiny.yaml\nvariants: {a: {epochs: 1}}\ngrid: {epochs: [1, 2]}", "both the variant a and the grid"),
        ("base: tiny.yaml\nseeds: 1..x", "seeds.*whole number"),
        ("variants: {a: {}}", "needs 'base'"),
        ("base: tinny.yaml\nseeds: [1]", "no such file"),
    ],
)
def test_files_that_are_no_sweep(tiny: Path, text: str, said: str) -> None:
    Path("f.yaml").write_text(text, encoding="utf-8")
    with pytest.raises((InputError, RecipeError), match=said):
        runs_of("f.yaml")


def test_what_is_neither_recipe_nor_sweep_brings_the_nearest_to_mind(tiny: Path) -> None:
    with pytest.raises(RecipeError, match="Did you mean 'figure-4a'"):
        runs_of("figure-4")
