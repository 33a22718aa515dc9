"""Components in words: what `show`, the schema and the reference pages are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Any, Literal

import pytest

from robustkit import Augmentation, CrossEntropy, Loss, Rate
from robustkit.components.fields import PositiveInt, Share
from robustkit.components.schedule import Constant, Linear
from robustkit.plugin.description import (
    brief,
    concise,
    describe_component,
    describe_fields,
    field_docs,
    first_sentence,
    own_doc,
)
from robustkit.recipe.schema import EvaluationRecipe, Recipe


@dataclass(frozen=True)
class Parent(Augmentation):
    """The parent."""

    name = "parent"

    size: PositiveInt
    """How large,
    in pixels."""
    share: Share = 0.5
    """Of the batch."""

    def __call__(self, images: Any) -> Any:
        """The images."""
        return images


@dataclass(frozen=True)
class Child(Parent):
    """The child, e.g. of Wang et al. 2023. It has a second sentence.

    And a second paragraph.
    """

    name = "child"

    share: Share = 0.25
    """Of the batch, smaller."""
    mode: Literal["a", "b"] = "a"
    loss: Loss = CrossEntropy(label_smoothing=0.1)
    """What it follows."""
    table: Mapping[str, Rate] = field(default_factory=lambda: {"x": Linear(points={0: 1.0})})


def test_fields_of_child_and_parent_in_order_with_their_own_docs() -> None:
    described = describe_component(Child)
    assert (described.kind, described.name) == ("augmentation", "child")
    assert described.summary == "The child, e.g. of Wang et al. 2023."
    rows = [(item.name, item.required, item.default, item.doc) for item in described.fields]
    assert rows == [
        ("size", True, None, "How large,\nin pixels."),
        ("share", False, 0.25, "Of the batch, smaller."),
        ("mode", False, "a", ""),
        ("loss", False, {"use": "cross-entropy", "label_smoothing": 0.1}, "What it follows."),
        ("table", False, {"x": {0.0: 1.0}}, ""),
    ]
    assert described.fields[0].type == "a whole number of at least 1"
    assert described.fields[1].type == "a number from 0 to 1"
    assert described.fields[2].type == "'a' or 'b'"


def test_classes_without_source_or_docstring_are_described_all_the_same() -> None:
    made = make_dataclass("Made", [("size", int, 3)], bases=(Augmentation,), frozen=True)
    assert own_doc(made) == ""
    assert "size" not in field_docs(made)
    assert [(item.name, item.default) for item in describe_fields(made)] == [("size", 3)]


def test_every_field_of_a_recipe_is_documented() -> None:
    for section in (Recipe, EvaluationRecipe):
        for item in describe_fields(section):
            assert item.doc, item.name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("One. Two.", "One."),
        ("No full stop", "No full stop"),
        ("Over\ntwo lines. More.", "Over two lines."),
        ("`{0.5: 1}` of v1.2 counts. More", "`{0.5: 1}` of v1.2 counts."),
        ("Madry et al. 2018, i.e. PGD. More.", "Madry et al. 2018, i.e. PGD."),
        ("First paragraph\n\nSecond.", "First paragraph"),
        ("", ""),
    ],
)
def test_first_sentences(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_values_are_written_without_their_defaults() -> None:
    assert concise(CrossEntropy()) == "cross-entropy"
    assert concise(Child(size=3)) == {"use": "child", "size": 3}
    assert brief(Child(size=3, loss=CrossEntropy())) == "child(size=3, loss=cross-entropy)"
    assert brief(Constant(0.1)) == "constant(value=0.1)"
    assert brief(Linear(points={0: 0.1, 10: 1 / 3})) == "{0: 0.1, 10: 0.333333}"
    assert brief(Linear(points={0: 0.1}, every_batch=True)) == "linear(points={0: 0.1}, every_batch=true)"
    assert brief([None, True, (1, "x")]) == "[null, true, [1, x]]"
