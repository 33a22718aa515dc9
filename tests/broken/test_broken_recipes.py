"""Broken recipes, run as a user would: exit code 2, a message at the very word, and no results folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from broken_input import BASE, assert_refused, changed, run_command, write
from jsonschema import Draft202012Validator

from robustkit.plugin.manager import installed
from robustkit.recipe.json_schema import recipe_schema

CASES = yaml.safe_load(Path(__file__).with_name("broken_recipes.yaml").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_refused_at_the_very_word(case, tmp_path):
    write(tmp_path, {"recipe.yaml": changed((case["old"], case["new"].replace("DIGITS", "9" * 5000)))})
    run = ("run", "recipe.yaml", "--output", "results")
    assert_refused(tmp_path, run, f"recipe.yaml:{case['says']}", "\nerror: ")


def test_there_are_many_and_the_sound_one_is_accepted(tmp_path):
    assert len(CASES) >= 60
    write(tmp_path, {"recipe.yaml": BASE})
    assert run_command("check", "recipe.yaml").exit_code == 0


ONLY_CHECKED = {
    "epochs past counting", "schedule past the run", "Linf eps 8", "shares past 1", "shares that grow past 1",
    "start past the end", "odd depth", "repeated key", "repeated learner", "mix of an unknown learner",
    "selection by an unknown name", "attack named natural", "learner named global", "learner that is a path",
    "learner that is false", "name that is a path", "no device", "single with two",
}  # fmt: skip
"""What the JSON Schema cannot tell: rules that join fields, and rules for names."""


@pytest.mark.parametrize("name", CASES)
def test_an_editor_with_the_json_schema_sees_the_same_unless_fields_are_joined(name):
    validator = Draft202012Validator(recipe_schema(installed().registry))
    try:
        data = json.loads(json.dumps(yaml.safe_load(changed((CASES[name]["old"], CASES[name]["new"])))))
    except (yaml.YAMLError, ValueError):  # no YAML, or a section that contains itself: no schema is needed to see it
        return
    assert validator.is_valid(data) == (name in ONLY_CHECKED)


WHOLE = {
    "nothing": ("", "recipe.yaml: this recipe is empty."),
    "a comment": ("# later\n", "recipe.yaml: this recipe is empty."),
    "a word": ("generalist\n", "recipe.yaml:1:1: expected a mapping with the keys name, epochs, "),
    "a list": ("- generalist\n", "recipe.yaml:1:1: expected a mapping with the keys name, epochs, "),
    "bytes": (bytes(range(128, 256)), "recipe.yaml: cannot be read: 'utf-8' codec can't decode byte 0x80"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", "recipe.yaml: cannot be read: 'utf-8' codec"),
    "zero bytes": (b"name: x\n\0\0\0", "recipe.yaml:2:1: this is not YAML: the character U+0000 is not allowed."),
    "UTF-16": ("name: tried\n".encode("utf-16"), "recipe.yaml: cannot be read: 'utf-8' codec"),
    "JSON with a fault": (
        '{"name": "tried", "epochs": 0}',
        "recipe.yaml:1:29: epochs: expected a whole number of at least",
    ),
    "a thousand brackets": ("a: " + "[" * 1000, "recipe.yaml:1:1: this is nested deeper than 100 levels."),
}


@pytest.mark.parametrize(("content", "expected"), WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("verb", [("run", "--output", "results"), ("check",), ("show",)], ids=lambda verb: verb[0])
def test_a_file_that_is_no_recipe(content, expected, verb, tmp_path):
    write(tmp_path, {"recipe.yaml": content})
    assert_refused(tmp_path, (verb[0], "recipe.yaml", *verb[1:]), expected)


def test_places_that_hold_no_recipe(tmp_path):
    Path("folder").mkdir()
    run = ("run", "--output", "results")
    assert_refused(tmp_path, (*run, "generalst"), "there is no such file", "Did you mean 'generalist'?")
    assert_refused(tmp_path, (*run, "recipes/generalist.yml"), "there is no such file", "Did you mean 'generalist'?")
    assert_refused(
        tmp_path, (*run, "folder"), "folder: expected a recipe or a results folder, this folder has no lock."
    )
    assert_refused(tmp_path, (*run, "folder/deeper/"), "there is no such file")
    assert_refused(tmp_path, (*run, "n" * 300), "cannot be read: [Errno 36] File name too long")


def test_eight_problems_are_told_in_one_go(tmp_path):
    names = ["negative epochs", "unknown key", "unknown dataset", "negative lr", "no steps", "share above 1"]
    chosen = [CASES[name] for name in [*names, "unknown precision", "name that is a path"]]
    write(tmp_path, {"recipe.yaml": changed(*((case["old"], case["new"]) for case in chosen))})
    run = ("run", "recipe.yaml", "--output", "results")
    assert_refused(tmp_path, run, *(case["says"] for case in chosen), "error: 8 problems in recipe.yaml.")
