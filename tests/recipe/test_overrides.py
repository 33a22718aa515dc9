"""`path=value` words: they reach every place of a recipe, and what is wrong with them is shown in the word itself."""

from __future__ import annotations

import pytest
from small_recipes import MINIMAL, minimal

import robustkit
from robustkit.errors import InputError, RecipeError
from robustkit.recipe.document import override, parse


def changed(text: str, *words: str):
    document = parse(text, "r.yaml")
    for word in words:
        override(document, word)
    return document.data


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a=2", {"a": 2}),
        ("a=x=y", {"a": "x=y"}),
        ("a=", {"a": None}),
        ("a=null", {"a": None}),
        ("a='2'", {"a": "2"}),
        ("a=[1, {b: 2}]", {"a": [1, {"b": 2}]}),
        ("a={use: pgd, steps: 3}", {"a": {"use": "pgd", "steps": 3}}),
        ("b=3", {"a": 1, "b": 3}),
        ("b.c.d=3", {"a": 1, "b": {"c": {"d": 3}}}),
    ],
)
def test_a_value_is_yaml_and_missing_sections_are_made(word, expected):
    assert changed("a: 1", word) == ({"a": 1} | expected)


LISTS = "a: [{b: 1}, 2]\nschedule: {0: 0.1, 40.5: 0.2}\n"


def test_lists_are_reached_by_number_in_either_writing():
    assert changed(LISTS, "a[0].b=7", "a.1=8")["a"] == [{"b": 7}, 8]


def test_epochs_of_a_schedule_are_reached_as_numbers():
    assert changed(LISTS, "schedule.0=1", "schedule.7=3")["schedule"] == {0: 1, 40.5: 0.2, "7": 3}
    recipe = robustkit.load_recipe(minimal(), "learners.only.optimizer.lr={0: 1}", "learners.only.optimizer.lr.4=0.5")
    assert recipe.learners["only"].optimizer.lr.points == {0: 1.0, 4: 0.5}


def test_a_component_given_by_name_becomes_a_section_that_uses_it():
    assert changed("dataset: digits", "dataset.root=/data") == {"dataset": {"use": "digits", "root": "/data"}}
    recipe = robustkit.load_recipe(minimal(), "architecture.width=4")
    assert (recipe.architecture.name, recipe.architecture.width) == ("small-cnn", 4)


def test_a_component_is_replaced_with_its_fields():
    recipe = robustkit.load_recipe(minimal(architecture={"use": "small-cnn", "width": 4}), "architecture=resnet18")
    assert recipe.architecture.name == "resnet18"


def test_of_two_words_for_one_place_the_last_counts():
    assert changed("a: 1", "a=2", "a=3") == {"a": 3}
    assert changed("a: {b: 1}", "a.b=2", "a=null") == {"a": None}


def test_an_empty_recipe_can_be_written_in_words_alone():
    assert changed("", "a.b=1", "c=2") == {"a": {"b": 1}, "c": 2}


def test_the_data_of_the_caller_is_left_alone():
    mine = minimal()
    robustkit.load_recipe(mine, "epochs=9", "learners.only.optimizer.lr=3", "seed=5")
    assert mine == minimal()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("epochs", "override 'epochs': expected path=value, for example seed=2"),
        ("=2", "override '=2': expected path=value"),
        ("learners..lr=2", "expected path=value"),
        ("epochs=[1", "override 'epochs=[1': this is not YAML: while parsing a flow sequence, expected ',' or ']'"),
        ("epochs={a: 1, a: 2}", "this key stands twice in one section"),
        ("epochs=!!python/name:os.system ''", "the tag !!python/name:os.system is refused"),
        ("epochs.more=2", "override 'epochs.more=2': epochs is 4, it has no key 'more'."),
        ("epochs.more.still=2", "epochs is 4, it has no key 'more'."),
        ("augmentation[1]=flip", "augmentation is a list of 1, '1' is none of its places."),
        ("augmentation.first=flip", "augmentation is a list of 1, 'first' is none of its places."),
        ("augmentation[-1]=flip", "augmentation is a list of 1, '-1' is none of its places."),
        ("augmentation[²]=flip", "'²' is none of its places."),
    ],
)
def test_a_word_that_cannot_be_laid_over_the_recipe_is_an_input_error_that_shows_it(word, expected):
    with pytest.raises(InputError) as caught:
        robustkit.load_recipe(minimal(augmentation=["horizontal-flip"]), word)
    assert expected in str(caught.value)


@pytest.mark.parametrize("top", ["just text", "[1, 2]", "3"])
def test_a_recipe_without_keys_has_no_place_for_words(top):
    with pytest.raises(InputError, match="the recipe is "):
        changed(top, "epochs=2")


def shown(*words: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        robustkit.load_recipe(minimal(), *words)
    return str(caught.value).split("\n")


def test_a_wrong_value_is_underlined_in_its_word():
    assert shown("epochs=-1") == [
        "override:1:8: epochs: expected a whole number of at least 1, got -1.",
        "  1 | epochs=-1",
        "    |        ^^",
        "1 problem in recipe.",
    ]


def test_a_wrong_value_inside_a_section_given_as_a_word_is_underlined_there():
    head, line, underline, _ = shown("learners.only.optimizer={use: sgd, lr: -0.1}")
    assert head == "override:1:40: learners.only.optimizer.lr: expected a number of at least 0, got -0.1."
    start = underline.index("^")
    assert line[start:].startswith("-0.1}")
    assert underline.count("^") == len("-0.1")


def test_an_unknown_path_is_underlined_and_suggests_the_nearest_key():
    head, line, underline, _ = shown("learners.only.optimiser.lr=0.1")
    assert "unknown key 'optimiser'. Did you mean 'optimizer'?" in head
    assert line == "  1 | learners.only.optimiser.lr=0.1"
    assert underline.count("^") == len("learners.only.optimiser.lr")


def test_an_unknown_name_is_underlined_and_suggests_the_nearest():
    head, _, underline, _ = shown("architecture=smal-cnn")
    assert head.startswith("override:1:14: architecture: unknown architecture 'smal-cnn'. Did you mean 'small-cnn'?")
    assert underline.count("^") == len("smal-cnn")


def test_problems_of_words_and_of_the_file_are_told_together(tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(MINIMAL.replace("epochs: 4", "epochs: many"))
    with pytest.raises(RecipeError) as caught:
        robustkit.load_recipe(file, "batch_size=0", "seed=x")
    heads = [line for line in str(caught.value).split("\n") if "expected" in line]
    assert [head.split(": ")[1] for head in heads] == ["batch_size", "seed", "epochs"]
    assert f"{file}:2:9: epochs: " in heads[2]
    assert str(caught.value).endswith(f"3 problems in {file}.")


def test_a_word_can_mend_what_is_broken_in_the_file(tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(MINIMAL.replace("epochs: 4", "epochs: many"))
    assert robustkit.load_recipe(file, "epochs=4").epochs == 4
