"""The words of a grid, and the names that settings get."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from robustkit.engine.sweep.grid import axis_from, flow
from robustkit.engine.sweep.names import setting_name, short_labels, value_name
from robustkit.errors import InputError
from robustkit.recipe.document import parse

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", min_size=1), inner, max_size=3)
)


@pytest.mark.parametrize(
    ("word", "path", "values"),
    [
        ("aggregator.every_epochs=1,5,10", "aggregator.every_epochs", (1, 5, 10)),
        ("seed=1..4", "seed", (1, 2, 3, 4)),
        ("seed=1..2,7,-1..0", "seed", (1, 2, 7, -1, 0)),
        ("eps=8/255,4/255", "eps", ("8/255", "4/255")),
        ("a.b={use: wa},{use: swa, x: [1,2]}", "a.b", ({"use": "wa"}, {"use": "swa", "x": [1, 2]})),
        ("averaging=null,{decay: 0.9}", "averaging", (None, {"decay": 0.9})),
    ],
)
def test_a_word_gives_a_path_and_its_values(word: str, path: str, values: tuple[object, ...]) -> None:
    axis = axis_from(word)
    assert (axis.path, axis.values) == (path, values)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seed", "expected PATH=VALUE,VALUE"),
        ("=1,2", "expected PATH=VALUE,VALUE"),
        ("seed=", "expected PATH=VALUE,VALUE"),
        ("seed=1,,2", "a value is missing"),
        ("seed=5..1", "a range that rises"),
        ("seed=0..999999999999", "a range that rises"),
        ("a={use: wa", "not YAML"),
    ],
)
def test_a_word_that_is_none_is_refused(word: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        axis_from(word)
    assert repr(word) in str(caught.value)


@given(VALUES)
@example("\n")
@example({"a\nb": ["\u2028", "\x85"]})
def test_any_value_survives_being_written_in_one_line(value: object) -> None:
    text = flow(value)
    assert "\n" not in text
    assert parse(text, "here").data == value


@given(VALUES, VALUES)
def test_names_of_values_fit_any_file_system_and_tell_values_apart(first: object, second: object) -> None:
    names = [value_name(value) for value in (first, second)]
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,40}", name)
    if flow(first) != flow(second):
        assert names[0].casefold() != names[1].casefold()


def test_names_say_what_was_varied() -> None:
    assert setting_name("base", None, []) == "base"
    assert setting_name("base", "both", []) == "both"
    assert setting_name("base", "both", [("aggregator.every_epochs", 5), ("a.start_epoch", 10)]) == (
        "both_every_epochs-5_start_epoch-10"
    )
    assert setting_name("base", None, [("x.eps", "8/255")]) == "eps-8-255-" + value_name("8/255")[-6:]
    assert value_name("epoch_end") == "epoch_end"
    assert value_name({"use": "adam", "lr": 0.1}) == "use-adam-lr-0.1-" + value_name({"use": "adam", "lr": 0.1})[-6:]


def test_names_stay_as_they_are() -> None:
    """They are the folders of runs that are to be found again."""
    assert value_name("8/255") == "8-255-a6f053"
    assert value_name("Linf") == "Linf-f84e3a"


def test_paths_are_cut_as_far_as_they_can_be_told_apart() -> None:
    paths = ["learners.natural.optimizer.lr", "learners.robust.optimizer.lr", "epochs", "list[1]"]
    assert short_labels(paths) == ["natural.optimizer.lr", "robust.optimizer.lr", "epochs", "1"]


def test_long_names_are_cut_and_still_differ() -> None:
    names = [setting_name("base", "v" * 300 + str(end), []) for end in (1, 2)]
    assert all(len(name) < 200 for name in names)
    assert names[0] != names[1]
