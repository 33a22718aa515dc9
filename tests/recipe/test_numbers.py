"""Numbers as people write them: fractions, powers of ten, and nothing that would have to be evaluated."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import robustkit
from robustkit.components.fields import number
from robustkit.errors import ComponentError
from robustkit.recipe.document import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8/255", 8 / 255),
        (" 8 / 255 ", 8 / 255),
        ("-8/255", -8 / 255),
        ("+1/2", 0.5),
        (".5/2.", 0.25),
        ("1e-3/2E1", 5e-5),
        ("5e-4", 5e-4),
        ("1E3", 1000.0),
        ("12", 12),
        ("-3", -3),
        ("007", 7),
        ("9007199254740993", 2**53 + 1),
        ("0.031", 0.031),
    ],
)
def test_numbers_are_read(text, expected):
    value = number(text)
    assert value == expected
    assert type(value) is type(expected)


NO_NUMBERS = [
    "",
    "/",
    "8/",
    "/255",
    "1/2/3",
    "8//255",
    "1/-2",
    "8/0",
    "1/0.0",
    "2*3",
    "1+1",
    "0x10",
    "eps",
    "8/eps",
    "١/",
]


@pytest.mark.parametrize("text", [*NO_NUMBERS, "1..2/3", "²", "--5", "1e", "__import__('os')"])
def test_anything_else_is_none(text):
    assert number(text) is None


NOT_FINITE = [
    "nan",
    "inf",
    "-Infinity",
    "1e999",
    "9" * 400,
    f"'{'9' * 400}'",
    "1e308/1e-308",
    ".nan",
    ".inf",
    "1e999/2",
]


@pytest.mark.parametrize("text", NOT_FINITE)
@pytest.mark.parametrize("kind", ["eps", "steps"])
def test_a_number_that_is_not_finite_is_refused_and_never_raises_anything_else(kind, text):
    value = parse(text, "r.yaml").data
    with pytest.raises(ComponentError, match="expected"):
        robustkit.make("attack", "pgd", **({"eps": 0.1} | {kind: value}))


@given(st.fractions(min_value=-1000, max_value=1000, max_denominator=10_000))
def test_every_fraction_is_the_quotient_of_its_parts(fraction):
    assert number(f"{fraction.numerator}/{fraction.denominator}") == fraction.numerator / fraction.denominator


@given(st.integers(-(10**15), 10**15))
def test_every_whole_number_stays_one(value):
    read = number(str(value))
    assert read == value
    assert isinstance(read, int)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_is_read_back_as_python_writes_it(value):
    assert number(repr(value)) == value


@given(st.text(max_size=12) | st.text(st.sampled_from("0123456789eE+-./ _infa"), max_size=12))
def test_no_text_raises(text):
    value = number(text)
    assert value is None or isinstance(value, int | float)


@given(st.from_regex(r"[1-9]\d{0,4}/[1-9]\d{0,4}", fullmatch=True))
def test_text_and_number_make_the_same_component(text):
    top, bottom = map(int, text.split("/"))
    attack = robustkit.make("attack", "pgd", eps=text, norm="L2")
    assert attack == robustkit.make("attack", "pgd", eps=top / bottom, norm="L2")
    assert math.isclose(attack.eps * bottom, top)
