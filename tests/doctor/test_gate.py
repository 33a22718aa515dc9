"""The gate's grammar, the attacks it needs, and what decides."""

from __future__ import annotations

import pytest
from doctor_parts import named
from hypothesis import given
from hypothesis import strategies as some

from robustkit import Accuracy, Budget, Check, Diagnosis
from robustkit.cli.gate import Condition, gate_attacks, outcomes, parse_gate
from robustkit.errors import InputError
from robustkit.evaluation.checks.check import Status
from robustkit.plugin.manager import installed

LINF = Budget("Linf", 0.1)
LISTED = {"pgd-20": named("pgd", steps=20), "noise": named("noise")}


def diagnosis(*statuses: Status) -> Diagnosis:
    checks = tuple(Check(f"check-{n}", status, "", None, "", "", "") for n, status in enumerate(statuses))
    return Diagnosis(checks, None, LINF, 100)


def test_conditions_are_read_with_or_without_spaces() -> None:
    assert parse_gate("autoattack>=40, no-fail,natural > 80.5 %,pgd-20<=99,x.y<1") == (
        Condition("autoattack>=40", "autoattack", ">=", 40.0),
        Condition("no-fail"),
        Condition("natural > 80.5 %", "natural", ">", 80.5),
        Condition("pgd-20<=99", "pgd-20", "<=", 99.0),
        Condition("x.y<1", "x.y", "<", 1.0),
    )


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("", "got ''"),
        ("no-fail,", "got ''"),
        ("no-fial", "got 'no-fial'. Did you mean 'no-fail'?"),
        ("pgd=40", "got 'pgd=40'"),
        ("pgd>=-1", "got 'pgd>=-1'"),
        ("pgd>=4e1", "got 'pgd>=4e1'"),
        ("40<=pgd", "got '40<=pgd'"),
        ("pgd>=400", "more than 100 percent"),
        ("pgd>=40 and no-fail", "got 'pgd>=40 and no-fail'"),
    ],
)
def test_what_is_no_condition_is_refused(gate: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_gate(gate)
    assert expected in str(raised.value)


@given(some.text(max_size=30))
def test_any_text_is_a_gate_or_refused(text: str) -> None:
    try:
        conditions = parse_gate(text)
    except InputError:
        return
    assert ",".join(condition.text for condition in conditions) == ",".join(word.strip() for word in text.split(","))


def test_listed_attacks_come_before_installed_ones() -> None:
    registry = installed().registry
    conditions = parse_gate("natural>=1, pgd-20>=1, square>=1, fgsm>1, no-warn")
    needed = gate_attacks(conditions, LISTED, LINF, registry)
    assert list(needed) == ["pgd-20", "square", "fgsm"]
    assert needed["pgd-20"] is LISTED["pgd-20"]
    assert needed["square"].budget == needed["fgsm"].budget == LINF
    assert gate_attacks(parse_gate("worst-case>=1"), LISTED, LINF, registry) == LISTED
    l2 = gate_attacks(parse_gate("autoattack>=1"), {}, Budget("L2", 0.5), registry)["autoattack"]
    assert l2.budget == Budget("L2", 0.5)


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("pgd-2O>=1", "no accuracy 'pgd-2O'. Did you mean 'pgd-20'?"),
        ("autoatack>=1", "Did you mean 'autoattack'?"),
        ("transfer>=1", "transfer cannot be made of eps and norm alone, list it with --attack transfer:..."),
    ],
)
def test_unknown_names_bring_the_nearest_to_mind(gate: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        gate_attacks(parse_gate(gate), LISTED, LINF, installed().registry)
    assert expected in str(raised.value)


def test_worst_case_needs_several_attacks() -> None:
    with pytest.raises(InputError, match="worst-case needs two attacks or more, 1 are listed"):
        gate_attacks(parse_gate("worst-case>1"), {"pgd": named("pgd")}, LINF, installed().registry)


@pytest.mark.parametrize(
    ("gate", "holds"),
    [
        ("pgd>=29", True),
        ("pgd>29", False),
        ("pgd<=29", True),
        ("pgd<29", False),
        ("pgd>=28.9", True),
        ("no-fail", True),
        ("no-warn", False),
    ],
)
def test_bounds_are_met_exactly(gate: str, holds: bool) -> None:
    # 29 of 100 is not exactly 29 % in floating point.
    (outcome,) = outcomes(parse_gate(gate), diagnosis("ok", "warn", "skipped"), {"pgd": Accuracy(29, 100)})
    assert outcome.holds == holds
    assert ("29.0 %" in outcome.text) if outcome.condition.part else outcome.text == ("none" if holds else "check-1")


def test_a_missed_word_names_the_checks() -> None:
    conditions = parse_gate("no-fail,no-warn")
    fail, warn = outcomes(conditions, diagnosis("fail", "ok", "warn"), {})
    assert (fail.holds, fail.text) == (False, "check-0")
    assert (warn.holds, warn.text) == (False, "check-0, check-2")
