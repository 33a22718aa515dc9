"""Accuracy over steps: exact where each step's reach is known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from curve_parts import Shy, at_distances, attack, half

from robustkit import StepsCurve, steps_curve
from robustkit.curves.steps_curve import step_counts
from robustkit.errors import InputError

DISTANCES = [0.01, 0.03, 0.05, 0.07, 0.09, 0.11, 0.13]


def pgd(**fields: Any) -> Any:
    settings = {
        "use": "pgd",
        "eps": 0.1,
        "step_size": 0.02,
        "steps": 4,
        "random_start": False,
        "keep": "best",
        **fields,
    }
    return attack(**settings)


def test_every_step_reaches_as_far_as_it_is_long() -> None:
    model, steps = half(), [1, 2, 3, 5, 8]
    curve = steps_curve(model, at_distances(model, DISTANCES), pgd(), steps=steps)
    reached = [min(0.02 * count, 0.1) for count in steps]
    assert [found.correct for found in curve.accuracies] == [sum(d > reach for d in DISTANCES) for reach in reached]
    assert (curve.own_steps, curve.natural.correct, curve.last_fall) == (4, 7, 0.0)
    assert curve.cautions() == []
    assert StepsCurve.from_plain(json.loads(json.dumps(curve.plain()))) == curve


def test_a_curve_that_still_falls_is_said_to() -> None:
    model = half()
    curve = steps_curve(model, at_distances(model, DISTANCES), pgd(), steps=[2, 3])
    assert curve.last_fall == pytest.approx(1 / 7)
    assert "from 2 to 3 steps accuracy still falls by 14.3 points" in curve.cautions()[0]


def test_steps_that_break_less_when_there_are_more_are_said_to() -> None:
    model = half()
    # Steps as long as the ball is wide go to and fro, and `keep: last` keeps where they end.
    far = pgd(step_size=0.1, keep="last", random_start=False, loss={"use": "margin"})
    curve = steps_curve(model, at_distances(model, DISTANCES), far, steps=[1, 2])
    assert [found.correct for found in curve.accuracies] == [2, 2]  # a plane: they stay at the far corner
    fallen = StepsCurve({}, 1, (1, 2), (curve.accuracies[0], curve.natural), curve.natural)
    assert "2 steps break less than 1" in fallen.cautions()[0]


def test_the_default_counts_go_to_twice_the_attacks_own() -> None:
    assert step_counts(pgd(steps=20)) == (1, 2, 5, 10, 20, 40)
    assert step_counts(pgd(steps=7)) == (1, 2, 5, 7, 10, 14)
    assert step_counts(pgd(steps=1)) == (1, 2)


def test_what_has_no_steps_is_refused() -> None:
    model = half()
    with pytest.raises(InputError, match="attack 'shy' has no field 'steps'"):
        steps_curve(model, at_distances(model, DISTANCES), Shy(0.1))
    with pytest.raises(InputError, match="expected steps of at least 1"):
        steps_curve(model, at_distances(model, DISTANCES), pgd(), steps=[0, 1])
