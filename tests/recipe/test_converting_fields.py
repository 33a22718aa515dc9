"""From annotation to checked value: what each kind of field takes, and what it says to everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Le, Len

from robustkit import Loss, Normalization, Rate, Schedule
from robustkit.components.component import Checked
from robustkit.components.fields import Decay, NonNegative, Positive, PositiveInt, Share, convert, describe, section
from robustkit.components.loss import CrossEntropy
from robustkit.components.schedule import Linear


def converted(annotation: Any, value: Any) -> Any:
    result, problems = convert(annotation, value, ())
    assert not problems, problems
    return result


def refusals(annotation: Any, value: Any) -> list[str]:
    return [str(problem) for problem in convert(annotation, value, ())[1]]


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (float, 1, 1.0),
        (float, "8/255", 8 / 255),
        (int, 3.0, 3),
        (int, "1e3", 1000),
        (bool, True, True),
        (str, "yes", "yes"),
        (Any, {"a": [1]}, {"a": [1]}),
        (Share, 0, 0.0),
        (Share, 1, 1.0),
        (Decay, 0.999, 0.999),
        (PositiveInt, 1, 1),
        (float | None, None, None),
        (PositiveInt | None, "7", 7),
        (int | float, 3.5, 3.5),
        (int | float, 3, 3),
        (Literal["Linf", "L2"], "L2", "L2"),
        (Literal["average", "recompute"] | str, "a-learner", "a-learner"),
        (tuple[float, ...], [1, "1/2"], (1.0, 0.5)),
        (tuple[Positive, ...], [], ()),
        (tuple[int, str], [1, "a"], (1, "a")),
        (Mapping[str, PositiveInt], {"a": "3"}, {"a": 3}),
        (Mapping[float, float], {"1": 2, 3: "1/4"}, {1.0: 2.0, 3.0: 0.25}),
        (Rate, 0.1, 0.1),
        (Rate, "5e-4", 5e-4),
        (Rate, {0: 0.1, "10": "1/100"}, Linear({0: 0.1, 10: 0.01})),
        (Annotated[Rate, Ge(0), Le(1)], {0: 1, 5: 0.4}, Linear({0: 1.0, 5: 0.4})),
        (Schedule, {0: 0.1}, Linear({0: 0.1})),
        (Loss, CrossEntropy(), CrossEntropy()),
        (Normalization | None, {"mean": [0.5], "std": ["1/4"]}, Normalization((0.5,), (0.25,))),
    ],
    ids=str,
)
def test_good_values_are_converted(annotation, value, expected):
    result = converted(annotation, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (float, "many", "expected a number, got 'many'."),
        (float, True, "expected a number, got true."),
        (float, None, "expected a number, got nothing (null)."),
        (float, [1], "expected a number, got [1]."),
        (float, float("nan"), "expected a finite number, got nan."),
        (int, 2.5, "expected a whole number, got 2.5."),
        (int, False, "expected a whole number, got false."),
        (int, 2**63, "expected a whole number and below 2**63, got 9223372036854775808."),
        (bool, "yes", "expected true or false, got 'yes'."),
        (bool, 1, "expected true or false, got 1."),
        (str, False, "expected text, got false. Put it in quotes, so that YAML reads it as text."),
        (str, 3, "expected text, got 3. Put it in quotes, so that YAML reads it as text."),
        (str, ["a"], "expected text, got ['a']."),
        (Positive, 0, "expected a number above 0, got 0."),
        (NonNegative, "-1/2", "expected a number of at least 0, got -0.5."),
        (Share, 1.5, "expected a number from 0 to 1, got 1.5."),
        (Decay, 1, "expected a number of at least 0 and below 1, got 1."),
        (PositiveInt, 0, "expected a whole number of at least 1, got 0."),
        (PositiveInt | None, "x", "expected a whole number of at least 1 or null, got 'x'."),
        (Literal["Linf", "L2"], "linf", "expected 'Linf' or 'L2', got 'linf'. Did you mean 'Linf'?"),
        (tuple[float, ...], 0.5, "expected a list [a number, ...], got 0.5."),
        (tuple[float, ...], "abc", "expected a list [a number, ...], got 'abc'."),
        (tuple[int, str], [1], "expected 2 entries, got 1: [1]."),
        (tuple[float, ...], [1, "x", 2, "y"], "[1]: expected a number, got 'x'.|[3]: expected a number, got 'y'."),
        (Mapping[str, float], [1], "expected a mapping of text to a number, got [1]."),
        (Mapping[str, float], {"a": "x", "b": 1}, "a: expected a number, got 'x'."),
        (Mapping[float, float], {"a": 1}, "a: expected a number, got 'a'."),
        (Rate, True, "expected a number or a schedule ({epoch: value, ...} or {use: NAME, ...}), got true."),
        (Annotated[Rate, Ge(0)], -1, "expected a number of at least 0, got -1."),
        (
            Annotated[Rate, Ge(0), Le(1)],
            {0: 2, 1: 0.5, "2": "7/2"},
            "[0]: expected a number from 0 to 1, got 2.|2: exp",
        ),
        (Annotated[Rate, Ge(0)], Linear({0: 1, 4: -1}), "expected a number of at least 0, got -1.0."),
        (Rate, {-1: 2}, "[-1]: expected an epoch of 0 or more, got -1."),
        (Rate, {1: "x", 2.5: None}, "[1]: expected a number, got 'x'.|[2.5]: expected a number, got nothing (null)."),
        (Loss, 3, "expected a loss ({use: NAME, ...}), got 3."),
        (Normalization, {"mean": [0.5]}, "needs 'std', which has no default."),
        (Normalization, [0.5], "expected a mapping with the keys mean, std, got [0.5]."),
        (Annotated[str, Len(2)], "a", "String should have at least 2 characters, got 'a'."),
        (float, "x" * 200, f"expected a number, got '{'x' * 76}...."),
    ],
    ids=str,
)
def test_bad_values_are_told_in_plain_words(annotation, value, expected):
    found = refusals(annotation, value)
    assert len(found) == len(expected.split("|"))
    for text, wanted in zip(found, expected.split("|"), strict=True):
        assert text.startswith(wanted)


@dataclass(frozen=True)
class Odd(Checked):
    """Refuses odd numbers in the way of plain Python."""

    first: int
    second: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first % 2:
            raise ValueError(f"{self.first} is odd")


def test_a_value_error_of_a_plugins_own_check_is_a_problem_in_its_place():
    _, problems = section(Odd, {"first": 3}, ("here",))
    assert [str(problem) for problem in problems] == ["here: Odd refuses this: 3 is odd"]


def test_a_type_that_no_recipe_can_hold_is_a_problem_that_names_it():
    class Opaque:
        pass

    (text,) = refusals(Opaque, 3)
    assert "declares this field as" in text
    assert "Opaque" in text
    assert "\n" not in text


def test_all_wrong_fields_of_a_section_are_told_at_once_and_missing_ones_together():
    @dataclass(frozen=True)
    class Section(Checked):
        """Three required fields."""

        a: int
        b: int
        c: int
        d: Share = 0.5

    _, problems = section(Section, {"d": 2, "e": 1, "aa": 3}, ("s",))
    assert [str(problem) for problem in problems] == [
        "s.e: unknown key 'e'. Known: a, b, c, d.",
        "s.aa: unknown key 'aa'. Did you mean 'a'? Known: a, b, c, d.",
        "s.d: expected a number from 0 to 1, got 2.",
        "s: needs 'a', 'b' and 'c', which have no defaults.",
    ]
    assert [problem.on_key for problem in problems] == [True, True, False, False]


def test_annotations_are_described_as_a_recipe_writer_would():
    assert describe(Mapping[str, tuple[Share, ...]]) == "a mapping of text to a list [a number from 0 to 1, ...]"
    schedule = "a schedule ({epoch: value, ...} or {use: NAME, ...})"
    assert describe(Annotated[Rate, Ge(0)]) == f"a number of at least 0 or {schedule}"
    assert describe(Annotated[Rate, Ge(0), Le(1)] | None) == f"a number from 0 to 1 or {schedule} or null"
    assert describe(Literal[1, "x"] | None) == "1 or 'x' or null"
