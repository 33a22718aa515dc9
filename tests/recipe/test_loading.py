"""Where recipes come from: a file, a results folder, an installed name, plain data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from small_recipes import MINIMAL, minimal

import robustkit
from robustkit.errors import PluginError, RecipeError
from robustkit.plugin.manager import installed
from robustkit.plugin.registry import Origin, Registry

BUNDLED = sorted(installed().registry.recipes)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL)
    return path


def test_a_file_by_its_path_as_text_or_path(file, monkeypatch):
    recipe = robustkit.load_recipe(file)
    assert recipe.name == "tried"
    assert list(recipe.learners) == ["natural", "robust"]
    assert robustkit.load_recipe(str(file)) == recipe
    monkeypatch.chdir(file.parent)
    assert robustkit.load_recipe("mine.yaml") == recipe


def test_plain_data_and_the_same_in_a_file_are_the_same_recipe(file):
    assert robustkit.load_recipe(yaml.safe_load(MINIMAL)) == robustkit.load_recipe(file)


def test_a_results_folder_by_its_lock(file, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "lock.yaml").write_text(MINIMAL)
    assert robustkit.load_recipe(folder) == robustkit.load_recipe(file)


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_recipe_by_name_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = robustkit.load_recipe(name)
    assert recipe.name == name
    assert robustkit.load_recipe(f"{name}.yaml", "epochs=200", "seed=77").seed == 77


def test_a_file_goes_before_an_installed_recipe_of_its_name(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    file.rename("generalist.yaml")
    assert robustkit.load_recipe("generalist.yaml").name == "tried"
    assert robustkit.load_recipe("generalist").name == "generalist"


def test_a_folder_of_an_installed_recipes_name_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("generalist").mkdir()
    assert robustkit.load_recipe("generalist").name == "generalist"


def test_sections_merged_with_yaml_anchors_are_recipes_too(tmp_path):
    text = MINIMAL.replace("  natural:\n", "  natural: &natural\n").replace(
        "aggregator:", "  third: *natural\naggregator:"
    )
    text = text.replace("mix: {robust: 0.5}", "mix: {robust: 0.5, third: 0.25}")
    (tmp_path / "r.yaml").write_text(text)
    learners = robustkit.load_recipe(tmp_path / "r.yaml").learners
    assert learners["third"] == learners["natural"]


def refusal(recipe) -> str:
    with pytest.raises(RecipeError) as caught:
        robustkit.load_recipe(recipe)
    return str(caught.value)


def test_an_unknown_name_suggests_an_installed_one():
    text = refusal("generalst")
    assert text.startswith("generalst: there is no such file, results folder or installed recipe.")
    assert "Did you mean 'generalist'? Known: " in text
    assert "Did you mean 'generalist'?" in refusal("somewhere/else/generalst.yaml")


def test_a_folder_without_a_lock_is_told_what_it_lacks(tmp_path):
    assert refusal(tmp_path) == f"{tmp_path}: expected a recipe or a results folder, this folder has no lock.yaml."


def test_a_file_that_is_no_text_is_told(tmp_path):
    (tmp_path / "r.yaml").write_bytes(bytes(range(256)))
    assert f"{tmp_path / 'r.yaml'}: cannot be read: 'utf-8' codec" in refusal(tmp_path / "r.yaml")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(file):
    file.chmod(0)
    assert "cannot be read: [Errno 13]" in refusal(file)


def test_a_name_that_is_too_long_for_a_file_is_told():
    assert "cannot be read: [Errno 36] File name too long" in refusal("a" * 300)


def test_a_fifo_or_device_is_no_reason_to_hang():
    assert "this recipe is empty" in refusal("/dev/null")


def test_recipes_that_two_plugins_bring_belong_to_neither(file):
    registry, first, second = Registry(), Origin("one", "pack-one", "1"), Origin("two", "pack-two", "2")
    registry.add_recipe("ours", file, first)
    with pytest.raises(PluginError, match="two plugins bring a recipe named 'ours'"):
        registry.add_recipe("ours", file, second)
    for name in ("ours", "ours.yaml"):
        with pytest.raises(PluginError, match=r"one \(pack-one 1\) and two \(pack-two 2\)"):
            robustkit.load_recipe(name, registry=registry)


def test_defaults_are_filled_in():
    recipe = robustkit.load_recipe(minimal())
    assert (recipe.batch_size, recipe.seed, recipe.device, recipe.precision) == (128, 1, "auto", "float32")
    assert recipe.evaluation == robustkit.EvaluationRecipe()
    assert recipe.learners["only"].averaging is None
