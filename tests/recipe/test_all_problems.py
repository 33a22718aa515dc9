"""A recipe with many faults is told all of them, in the order of its lines, each with the way out."""

from __future__ import annotations

import re

import pytest
from small_recipes import MINIMAL, minimal

import robustkit
from robustkit.errors import RecipeError, dotted

BROKEN = """\
name: my recipe
seed: -1
epochs: 4
batch_sise: 64
dataset: digts
architecture: {use: small-cnn, widht: 3}
learners:
  natural:
    strategy: natural
    optimizer: {use: sgd, lr: {0: 0.05, 200: 0.1}, momentum: many}
    averaging: {decay: 1}
  robust:
    strategy:
      use: adversarial
      attack: {use: pgd, eps: 0.1, steps: 0, keep: lst}
  global: {strategy: natural, optimizer: {use: sgd, lr: 0.1}}
aggregator:
  use: generalist
  mix: {robst: 0.5, natural: 0.5}
evaluation:
  every_epochs: 0
  attacks: [pgd]
precision: half
precision: float32
"""
EXPECTED = [
    "1:7: name: expected letters, digits, '-', '_' and '.', got 'my recipe'.",
    "2:7: seed: expected a whole number of at least 0, got -1.",
    "4:1: batch_sise: unknown key 'batch_sise'. Did you mean 'batch_size'? Known: aggregator, architecture, ",
    "5:10: dataset: unknown dataset 'digts'. Did you mean 'digits'? Known: ",
    "6:32: architecture.widht: unknown key 'widht'. Did you mean 'width'? Known: ",
    "10:62: learners.natural.optimizer.momentum: expected a number",
    "11:24: learners.natural.averaging.decay: expected a number of at least 0 and below 1, got 1.",
    "12:3: learners.robust: needs 'optimizer', which has no default.",
    "15:43: learners.robust.strategy.attack.steps: expected a whole number of at least 1, got 0.",
    "15:52: learners.robust.strategy.attack.keep: expected 'best' or 'first' or 'last', got 'lst'. "
    "Did you mean 'last'?",
    "16:3: learners.global: 'global' is what results call the merged network: choose another name.",
    "19:9: aggregator.mix.robst: there is no learner 'robst'. Did you mean 'robust'? Known: global, natural, robust.",
    "21:17: evaluation.every_epochs: expected a whole number of at least 1, got 0.",
    "22:12: evaluation.attacks: expected a mapping of text to an attack ({use: NAME, ...}), got ['pgd'].",
    "24:1: precision: this key stands twice in one section; first in line 23.",
]


def refused(recipe, *words: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        robustkit.load_recipe(recipe, *words)
    return caught.value


@pytest.fixture
def broken(tmp_path):
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    return file


def test_every_problem_is_told_at_once_in_the_order_of_lines(broken):
    lines = str(refused(broken)).split("\n")
    assert lines[-1] == f"{len(EXPECTED)} problems in {broken}."
    heads = lines[:-1:3]
    for head, expected in zip(heads, EXPECTED, strict=True):
        assert head.startswith(f"{broken}:{expected}")


def test_each_problem_shows_its_line_and_underlines_the_very_word(broken):
    lines = str(refused(broken)).split("\n")
    source = BROKEN.split("\n")
    underlined = []
    for head, line, underline in zip(lines[:-1:3], lines[1::3], lines[2::3], strict=True):
        number, column = map(int, re.match(rf"{re.escape(str(broken))}:(\d+):(\d+): ", head).groups())
        assert line == f"  {number} | {source[number - 1]}"
        start = underline.index("^")
        assert start == len(f"  {number} | ") + column - 1
        underlined.append(line[start : start + underline.count("^")])
    assert underlined == [
        "my recipe", "-1", "batch_sise", "digts", "widht", "many", "1", "robust", "0", "lst", "global", "robst", "0",
        "[pgd]", "precision",
    ]  # fmt: skip


def test_problems_are_there_for_programs_too(broken):
    problems = {dotted(problem.path): problem for problem in refused(broken).problems}
    assert len(problems) == len(EXPECTED)
    assert problems["learners.natural.averaging.decay"].message.startswith("expected a number")
    assert problems["batch_sise"].on_key
    assert not problems["seed"].on_key


@pytest.mark.parametrize("place", range(len(EXPECTED)))
def test_no_problem_hides_behind_another(place, tmp_path):
    """With all other faults mended, each is told in the same words."""
    file = tmp_path / "broken.yaml"
    mended = [
        ("my recipe", "mine"), ("-1", "1"), ("batch_sise", "batch_size"), ("digts", "digits"), ("widht", "width"),
        ("momentum: many", "momentum: 0.9"), ("decay: 1}", "decay: 0.9}"),
        ("keep: lst}\n", "keep: lst}\n    optimizer: {use: sgd, lr: 0.1}\n"), ("steps: 0", "steps: 1"),
        ("keep: lst", "keep: last"), ("  global:", "  third:"), ("{robst: 0.5,", "{robust: 0.5,"),
        ("every_epochs: 0", "every_epochs: 1"),
        ("[pgd]", "{}"), ("precision: half\n", ""),
    ]  # fmt: skip
    text = BROKEN.replace("200: 0.1", "4: 0.1")
    for other, (fault, good) in enumerate(mended):
        if other != place:
            assert text.count(fault) == 1
            text = text.replace(fault, good)
    file.write_text(text)
    lines = str(refused(file)).split("\n")
    message = EXPECTED[place].split(": ", 1)[1].split(" Known")[0]
    assert message in lines[0].replace("third", "global").replace("first in line 24", "first in line 23")


def test_one_problem_is_counted_as_one():
    assert str(refused(minimal(epochs=0))).endswith("\n1 problem in recipe.")


def test_plain_data_from_python_has_paths_and_no_places():
    text = str(refused(minimal(epochs=0, batch_sise=3)))
    assert "recipe: epochs: expected a whole number of at least 1, got 0." in text
    assert "^" not in text


def test_a_name_of_another_kind_is_told_so(tmp_path):
    text = str(refused(minimal(aggregator="natural")))
    assert "unknown aggregator 'natural'." in text
    assert "There is a strategy of that name." in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, "aggregator: expected an aggregator ({use: NAME, ...}), got 3. Known: "),
        (
            {"mix": {}},
            "aggregator: expected an aggregator ({use: NAME, ...}), got no 'use' in {'mix': {}}.",
        ),
        ({"use": 3}, "aggregator.use: expected an aggregator ({use: NAME, ...}), got 3."),
        ({"use": None}, "aggregator: expected an aggregator ({use: NAME, ...}), got no 'use' in {'use': None}"),
        (None, "aggregator: expected an aggregator ({use: NAME, ...}), got nothing (null). Known"),
        (["single"], "aggregator: expected an aggregator ({use: NAME, ...}), got ['single']."),
    ],
)
def test_what_names_no_component_is_told_with_the_known_names(value, expected):
    assert expected in str(refused(minimal(aggregator=value)))


@pytest.mark.parametrize(("text", "got"), [("just text", "'just text'"), ("[1, 2]", "[1, 2]"), ("3", "3")])
def test_a_file_that_holds_no_keys_is_told_what_a_recipe_is(text, got, tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(text)
    assert f"{file}:1:1: expected a mapping with the keys name, epochs, dataset, " in str(refused(file))
    assert f"got {got}." in str(refused(file))


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_one_problem(text, tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(text)
    lines = str(refused(file)).split("\n")
    assert lines[0] in (f"{file}: this recipe is empty.", f"{file}:1:1: this recipe is empty.")
    assert lines[-1] == f"1 problem in {file}."


def test_repeated_keys_do_not_keep_the_rest_from_being_checked(tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text(MINIMAL.replace("epochs: 4\n", "epochs: 4\nepochs: 0\n"))
    text = str(refused(file))
    assert f"{file}:3:1: epochs: this key stands twice" in text
    assert f"{file}:3:9: epochs: expected a whole number of at least 1, got 0." in text
