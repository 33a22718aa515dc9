"""Text that is no recipe's: each is one problem in its place, nothing in it is run, and nothing fills the memory."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustkit.recipe.document import parse

BROKEN = {
    "tab": ("a:\n\tb: 1\n", "2:1: this is not YAML: while scanning for the next token, found character '\\t'"),
    "tab says the way out": ("a:\n\tb: 1\n", "Indent with spaces."),
    "open brace": (
        "a: {b: 1\nc: 2\n",
        "2:2: this is not YAML: while parsing a flow mapping that starts in line 1, expected",
    ),
    "open brace at the end": (
        "a: {b: 1,\n",
        "1:10: this is not YAML: while parsing a flow node, expected the node content",
    ),
    "open quote": (
        "a: 'x\nb: 2\n",
        "2:5: this is not YAML: while scanning a quoted scalar that starts in line 1, found un",
    ),
    "indentation": ("a: 1\n  b: 2\n", "2:4: this is not YAML: mapping values are not allowed here"),
    "two documents": (
        "a: 1\n---\nb: 2\n",
        "2:1: this is not YAML: expected a single document in the stream, but found an",
    ),
    "unknown alias": ("a: 1\nb: *c\n", "2:4: this is not YAML: found undefined alias 'c'"),
    "control letter": ("a: 1\nb: x\x01\n", "2:5: this is not YAML: the character U+0001 is not allowed."),
    "control letter at the start of a line": ("a: 1\n\x01\n", "2:1: this is not YAML: the character U+0001 is not"),
    "escape sequence": ("a: 1\nb: \x1b[31m\n", "2:4: this is not YAML: the character U+001B is not allowed."),
    "key that is a list": ("a: 1\n? [1, 2]\n: 3\n", "2:3: a key must be one word or number."),
    "key that is a section": ("? {a: 1}\n: 3\n", "1:3: a key must be one word or number."),
    "key that is null": ("a: 1\n~: 3\n", "2:1: a key must be one word or number."),
    "key with a tag": ("!!binary YQ==: 3\n", "1:1: a key must be one word or number."),
    "merge of a number": ("a: {<<: 3}\n", "1:9: expected a section, or a list of sections, to merge with '<<'."),
    "merge of a list of words": (
        "a: {<<: [b]}\n",
        "1:10: expected a section, or a list of sections, to merge with '<<'.",
    ),
    "5,000 digits": (f"a: 1\nb: {'9' * 5000}\n", "2:4: expected int, got '99999"),
    "a word for !!int": ("a: !!int many\n", "1:4: expected int, got 'many', which cannot be read as such."),
    "a word for !!float": ("a: !!float many\n", "1:4: expected float, got 'many', which cannot be read as such."),
    "a word for !!bool": ("a: !!bool many\n", "1:4: expected bool, got 'many', which cannot be read as such."),
    "list in itself": ("a: &a [1, *a]\n", "1:4: this section contains itself, through an alias."),
    "section in itself": ("b: 1\na: &a {b: {c: *a}}\n", "2:4: this section contains itself, through an alias."),
    "merge of itself": ("a: &a {<<: *a}\n", "1:4: this section contains itself, through an alias."),
    "150 levels": ("a: " + "[" * 150 + "]" * 150, "1:104: this is nested deeper than 100 levels."),
    "5,000 levels": ("a: " + "[" * 5000, "1:1: this is nested deeper than 100 levels."),
    "own tag": ("a: !mine {b: 1}\n", "1:4: the tag !mine is refused: a recipe is plain data."),
    "set": ("a: !!set {b, c}\n", "1:4: the tag !!set is refused"),
    "bytes": ("a: !!binary aGk=\n", "1:4: the tag !!binary is refused"),
}


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
def test_broken_text_is_one_problem_in_its_place(text, expected):
    document = parse(text, "r.yaml")
    assert document.data is None
    (problem,) = document.problems
    shown = document.show(problem)
    assert expected in shown
    assert shown.startswith("r.yaml:")
    assert shown.split("\n")[2].lstrip(" |").startswith("^")


PYTHON_TAGS = [
    "!!python/object/apply:os.system ['touch RAN']",
    "!!python/object/new:os.system ['touch RAN']",
    "!!python/object:pathlib.Path {}",
    "!!python/name:os.system ''",
    "!!python/module:os ''",
    "!!python/tuple [1, 2]",
    "!!python/str x",
]


@pytest.mark.parametrize("tagged", PYTHON_TAGS)
@pytest.mark.parametrize("where", ["{}", "a: {}", "a: [1, {}]", "a: {{b: {}}}", "b: &b {}\na: *b"])
def test_python_objects_are_refused_wherever_they_stand_and_nothing_runs(tagged, where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = parse(where.format(tagged), "r.yaml")
    assert document.data is None
    assert f"the tag !!{tagged[2:].split()[0]} is refused: a recipe is plain data." in document.problems[0].message
    assert not list(tmp_path.iterdir())


def laughing(step: str, levels: int) -> str:
    """Every level holds the one below ten times."""
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{i}: &a{i} {step.format(', '.join([f'*a{i - 1}'] * 10))}" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("step", ["[{}]", "{{<<: [{}]}}", "{{deeper: [{}]}}"])
def test_aliases_of_aliases_do_not_fill_the_memory(step):
    started = time.perf_counter()
    document = parse(laughing(step, levels=12), "r.yaml")
    assert document.data is None
    assert "with all its aliases this has more than 20000 entries." in document.show(document.problems[0])
    assert time.perf_counter() - started < 5


def test_a_modest_number_of_aliases_is_fine():
    document = parse(laughing("[{}]", levels=3), "r.yaml")
    assert not document.problems
    assert len(document.data["a2"]) == 10


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment\n", "---\n", "---\n...\n", "null\n"])
def test_an_empty_text_is_no_data_and_no_problem_of_yaml(text):
    document = parse(text, "r.yaml")
    assert document.data is None
    assert not document.problems


@given(st.text(st.sampled_from("{}[]:,-&*!|>'\"%@`#?~<= \n\tab1.eé\x00\u2028"), max_size=40))
def test_no_text_whatever_ends_in_anything_but_data_or_a_problem(text):
    document = parse(text, "r.yaml")
    for problem in document.problems:
        assert document.show(problem).startswith("r.yaml:")
