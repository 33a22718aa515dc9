"""Reading YAML: plain data, and the line and column of every key and value."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from robustkit.errors import Problem
from robustkit.recipe.document import Document, parse

TEXT = """\
# a comment
name: tried
learners:
  natural: {strategy: natural, lr: {0: 0.1, 40: 0.01}}
augmentation:
  - random-crop
  - {use: flip, share: 0.5}
"""


def underlined(document: Document, *path: object, on_key: bool = False) -> tuple[int, int, str]:
    """Line, column and the underlined word that a problem at this path would show."""
    place = document.place(Problem(path, "wrong", on_key=on_key))
    assert place is not None
    return place.line, place.column, place.text[place.column - 1 :][: place.length]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("name",), (2, 7, "tried")),
        (("learners", "natural", "strategy"), (4, 23, "natural")),
        (("learners", "natural", "lr", 40), (4, 49, "0.01")),
        (("learners", "natural", "lr"), (4, 36, "{0: 0.1, 40: 0.01}")),
        (("augmentation", 0), (6, 5, "random-crop")),
        (("augmentation", 1, "share"), (7, 24, "0.5")),
    ],
)
def test_a_value_is_found_where_it_stands(path, expected):
    assert underlined(parse(TEXT, "r.yaml"), *path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("name",), (2, 1, "name")),
        (("learners", "natural"), (4, 3, "natural")),
        (("learners", "natural", "lr", 0), (4, 37, "0")),
        (("augmentation", 1, "use"), (7, 6, "use")),
    ],
)
def test_a_key_is_found_where_it_stands(path, expected):
    assert underlined(parse(TEXT, "r.yaml"), *path, on_key=True) == expected


def test_a_section_in_lines_of_its_own_is_shown_by_its_head():
    document = parse(TEXT, "r.yaml")
    assert underlined(document, "learners") == (3, 1, "learners")
    assert underlined(document, "augmentation") == (5, 1, "augmentation")


def test_what_was_not_written_is_shown_at_the_nearest_section_around_it():
    document = parse(TEXT, "r.yaml")
    assert underlined(document, "learners", "natural", "optimizer", "lr") == (4, 3, "natural")
    assert underlined(document, "epochs")[:2] == (2, 1)


def test_a_problem_shows_file_line_column_the_line_itself_and_the_word_underlined():
    text = parse(TEXT, "folder/r.yaml").show(Problem(("learners", "natural", "lr", 40), "expected more."))
    assert text.split("\n") == [
        "folder/r.yaml:4:49: learners.natural.lr[40]: expected more.",
        "  4 |   natural: {strategy: natural, lr: {0: 0.1, 40: 0.01}}",
        "    |                                                 ^^^^",
    ]


def test_tabs_and_control_letters_do_not_reach_the_terminal_and_the_underline_stays_below_its_word():
    shown = parse("name: 'a\tb'  # \u202etxt\u200b\n", "r.yaml").show(Problem(("name",), "wrong.")).split("\n")
    assert shown[1] == "  1 | name: 'a b'  #  txt "
    assert shown[2] == "    |       ^^^^^"


def test_of_a_very_long_line_only_the_part_around_the_word_is_shown():
    text = "a: {" + ", ".join(f"key{i}: {i}" for i in range(2000)) + "}\n"
    head, line, underline = parse(text, "r.yaml").show(Problem(("a", "key1000"), "wrong.")).split("\n")
    start = underline.index("^")
    assert line[start : start + underline.count("^")] == "1000"
    assert len(line) < 200
    assert head.startswith(f"r.yaml:1:{text.index('key1000: ') + len('key1000: ') + 1}: ")


def test_windows_line_ends_and_a_byte_order_mark_move_nothing():
    plain, windows = parse(TEXT, "r.yaml"), parse("\ufeff" + TEXT.replace("\n", "\r\n"), "r.yaml")
    assert windows.data == plain.data
    assert not windows.problems
    path = ("learners", "natural", "lr", 40)
    assert underlined(windows, *path) == underlined(plain, *path)


def test_columns_count_letters_not_bytes():
    document = parse("name: {é☃😀: ü, b: 1}\n", "r.yaml")
    assert underlined(document, "name", "b") == (1, 19, "1")
    assert underlined(document, "name", "é☃😀") == (1, 13, "ü")


def test_an_alias_has_the_value_of_its_anchor_and_its_place():
    document = parse("a: &there {lr: 0.1}\nb: *there\n", "r.yaml")
    assert document.data == {"a": {"lr": 0.1}, "b": {"lr": 0.1}}
    assert underlined(document, "b", "lr") == (1, 16, "0.1")


MERGED = """\
first: &first
  optimizer: {use: sgd, lr: 0.1}
  averaging: {decay: 0.9}
second: &second
  <<: *first
  averaging: null
third:
  optimizer: {lr: 3}
  <<: [*second, {strategy: natural, averaging: 1}]
fourth: *second
"""


def test_merged_sections_are_as_if_written_there_and_what_a_section_says_itself_goes_first():
    document = parse(MERGED, "r.yaml")
    optimizer = {"use": "sgd", "lr": 0.1}
    assert document.data == {
        "first": {"optimizer": optimizer, "averaging": {"decay": 0.9}},
        "second": {"optimizer": optimizer, "averaging": None},
        "third": {"optimizer": {"lr": 3}, "averaging": None, "strategy": "natural"},
        "fourth": {"optimizer": optimizer, "averaging": None},
    }
    assert not document.problems


def test_places_of_merged_sections_are_where_their_words_stand():
    document = parse(MERGED, "r.yaml")
    assert underlined(document, "second", "optimizer", "lr") == (2, 29, "0.1")
    assert underlined(document, "third", "optimizer", "lr") == (8, 19, "3")
    assert underlined(document, "third", "optimizer", "use") == (8, 3, "optimizer"), "forgotten with what it replaced"
    assert underlined(document, "second") == (4, 1, "second")


def test_every_repeated_key_is_a_problem_that_names_the_first():
    document = parse("a: 1\nb: {c: 1, c: 2}\na: 3\na: 4\n", "r.yaml")
    shown = [document.show(problem).split("\n")[0] for problem in document.problems]
    assert shown == [
        "r.yaml:2:11: b.c: this key stands twice in one section; first in line 2.",
        "r.yaml:4:1: a: this key stands 3 times in one section; first in line 1.",
    ]


def test_dates_stay_text():
    assert parse("name: 2026-01-31\nother: =\nlast: 2026-99-99\n", "r.yaml").data == {
        "name": "2026-01-31",
        "other": "=",
        "last": "2026-99-99",
    }


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(), inside, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN, st.booleans())
def test_whatever_yaml_can_hold_is_read_as_pyyaml_reads_it_and_every_entry_has_a_place(data, flow):
    text = yaml.safe_dump(data, allow_unicode=True, default_flow_style=flow)
    document = parse(text, "r.yaml")
    assert not document.problems
    assert document.data == yaml.safe_load(text)
    lines = text.splitlines()
    for place in [*document.values.values(), *document.keys.values()]:
        assert place.text in lines
        assert 1 <= place.column <= len(place.text) + 1
