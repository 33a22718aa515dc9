"""Components and recipes made in Python are checked as those of a file, by name or by class."""

from __future__ import annotations

import dataclasses

import pytest

import robustkit
from robustkit import Averaging, EvaluationRecipe, LearnerRecipe, Normalization, Recipe, make
from robustkit.errors import ComponentError, InputError, PluginError


def test_a_component_by_kind_and_name_with_fields_as_a_recipe_writes_them():
    attack = make("attack", "pgd", eps="8/255", steps="20")
    assert attack.eps == 8 / 255
    assert attack.steps == 20
    strategy = make("strategy", "adversarial", attack={"use": "pgd", "eps": "8/255", "steps": 20})
    assert strategy.attack == attack
    assert make("strategy", "adversarial", attack=attack) == strategy


def test_hyphens_and_underscores_are_the_same():
    assert make("architecture", "small_cnn") == make("architecture", "small-cnn")
    assert make("loss", "cross_entropy") == make("loss", "cross-entropy")


def test_the_class_and_its_name_make_equal_objects():
    cls = type(make("attack", "pgd", eps=0.1))
    assert cls(eps="1/10") == make("attack", "pgd", eps=0.1)
    assert hash(cls(eps="1/10")) == hash(cls(eps=0.1))


@pytest.mark.parametrize(
    ("arguments", "fields", "error", "expected"),
    [
        (("atack", "pgd"), {}, InputError, "unknown kind 'atack'. Did you mean 'attack'? Known: aggregator, "),
        (("attack", "pgdd"), {}, PluginError, "unknown attack 'pgdd'. Did you mean 'pgd'? "),
        (("attack", "sgd"), {}, PluginError, "unknown attack 'sgd'."),
        (("attack", "pgd"), {}, ComponentError, "pgd: needs 'eps', which has no default."),
        (("attack", "pgd"), {"eps": "far"}, ComponentError, "pgd: eps: expected a number of at least 0, got 'far'."),
        (
            ("attack", "pgd"),
            {"eps": 1, "stps": 3},
            ComponentError,
            "pgd: stps: unknown key 'stps'. Did you mean 'steps'?",
        ),
        (
            ("strategy", "adversarial"),
            {"attack": "pgdd"},
            ComponentError,
            "attack: unknown attack 'pgdd'. Did you mean",
        ),
        (("strategy", "adversarial"), {"attack": {"use": "pgd"}}, ComponentError, "attack: needs 'eps'"),
        (
            ("optimizer", "sgd"),
            {"lr": {0: 1, 5: -1}},
            ComponentError,
            "lr[5]: expected a number of at least 0, got -1.",
        ),
    ],
)
def test_what_is_wrong_is_told(arguments, fields, error, expected):
    with pytest.raises(error) as caught:
        make(*arguments, **fields)
    assert expected in str(caught.value)


def test_a_class_of_another_kind_of_that_name_is_mentioned():
    with pytest.raises(PluginError, match="There is a strategy of that name"):
        make("attack", "natural")


def test_every_problem_of_a_constructor_is_told_at_once():
    cls = type(make("attack", "pgd", eps=0.1))
    with pytest.raises(ComponentError) as caught:
        cls(eps="far", steps=0, keep="lst")
    assert [problem.path for problem in caught.value.problems] == [("eps",), ("steps",), ("keep",)]
    assert str(caught.value).split("\n")[1] == "pgd: steps: expected a whole number of at least 1, got 0."


def test_nested_components_in_python_are_objects_not_names():
    cls = type(make("strategy", "adversarial", attack={"use": "pgd", "eps": 0.1}))
    with pytest.raises(ComponentError, match="attack: expected an attack"):
        cls(attack="pgd")
    with pytest.raises(ComponentError, match="attack: expected an attack"):
        cls(attack=make("loss", "cross-entropy"))


def test_components_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make("attack", "pgd", eps=0.1).eps = 0.2


def parts(**changes) -> dict:
    learner = LearnerRecipe(make("strategy", "natural"), make("optimizer", "sgd", lr=0.1), Averaging(0.9))
    made = {
        "name": "made",
        "epochs": 2,
        "dataset": make("dataset", "digits"),
        "architecture": make("architecture", "small-cnn"),
        "learners": {"only": learner},
        "aggregator": make("aggregator", "single"),
        "evaluation": EvaluationRecipe(attacks={"pgd-2": make("attack", "pgd", eps=0.1, steps=2)}, select_by="pgd-2"),
        "normalization": Normalization((0.5,), (0.5,)),
    }
    return made | changes


def test_a_recipe_made_of_objects_equals_the_one_that_is_read():
    made = Recipe(**parts())
    read = robustkit.load_recipe(
        {
            "name": "made",
            "epochs": "2",
            "dataset": "digits",
            "architecture": "small_cnn",
            "learners": {
                "only": {"strategy": "natural", "optimizer": {"use": "sgd", "lr": "1/10"}, "averaging": {"decay": 0.9}}
            },
            "aggregator": {"use": "single"},
            "evaluation": {"attacks": {"pgd-2": {"use": "pgd", "eps": 0.1, "steps": 2}}, "select_by": "pgd-2"},
            "normalization": {"mean": [0.5], "std": ["1/2"]},
        }
    )
    assert made == read


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"epochs": 0}, "epochs: expected a whole number of at least 1, got 0."),
        ({"aggregator": "single"}, "aggregator: expected an aggregator ({use: NAME, ...}), got 'single'."),
        ({"learners": {}}, "learners: expected at least one learner, got none."),
        ({"name": ""}, "name: expected letters, digits, '-', '_' and '.', got ''."),
        ({"normalization": {"mean": [0], "std": [0]}}, "normalization.std[0]: expected a number above 0, got 0."),
        (
            {"validation_examples": 0},
            "evaluation.select_by: 'pgd-2' needs validation examples, but validation_examples is 0.",
        ),
    ],
)
def test_a_recipe_made_of_objects_is_checked_as_a_whole(changes, expected):
    with pytest.raises(ComponentError) as caught:
        Recipe(**parts(**changes))
    assert [str(problem) for problem in caught.value.problems] == [expected]


def test_a_changed_copy_is_checked_again():
    recipe = Recipe(**parts())
    assert dataclasses.replace(recipe, epochs=3).epochs == 3
    with pytest.raises(ComponentError, match="epochs"):
        dataclasses.replace(recipe, epochs=-3)
