"""Accuracy over eps: exact where radii are known, and honest where an attack fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from curve_parts import Shy, at_distances, attack, half

from robustkit import EpsCurve, eps_curve, evaluate
from robustkit.curves.eps_curve import eps_values
from robustkit.curves.variation import with_eps
from robustkit.errors import InputError

DISTANCES = [0.01, 0.03, 0.05, 0.07, 0.09, 0.11, 0.13, 0.15, 0.17, 0.19]


@pytest.mark.parametrize(
    "spec",
    [
        {"use": "fgsm", "eps": 0.1},
        {"use": "pgd", "eps": 0.1, "steps": 10, "keep": "first"},
        {"use": "pgd", "eps": 0.1, "steps": 10, "step_size": 0.03},
        {"use": "eot", "samples": 2, "attack": {"use": "fgsm", "eps": 0.1}},
    ],
    ids=lambda spec: spec["use"],
)
def test_accuracy_falls_exactly_at_the_margins(spec: dict[str, Any]) -> None:
    model = half()
    eps = [0.0, 0.02, 0.04, 0.06, 0.1, 0.14, 0.18, 0.2]
    curve = eps_curve(model, at_distances(model, DISTANCES), attack(**spec), eps=eps)
    expected = [sum(distance > radius for distance in DISTANCES) for radius in eps]
    assert [found.correct for found in curve.accuracies] == expected
    assert curve.bounds == curve.accuracies
    assert (curve.monotone, curve.cautions()) == (True, [])
    assert (curve.own_eps, curve.norm, curve.whole) == (0.1, "Linf", 1.0)


def test_the_default_eps_surround_the_attacks_own_and_end_with_any_image() -> None:
    examples = at_distances(half(), DISTANCES)
    assert eps_values(attack("fgsm", eps=0.1), examples) == (
        0.0,
        0.025,
        0.05,
        0.1,
        pytest.approx(0.15),
        0.2,
        0.4,
        1.0,
    )
    assert eps_values(attack("fgsm", eps=0.5), examples) == (0.0, 0.125, 0.25, 0.5, 0.75, 1.0)
    assert eps_values(attack("pgd", norm="L2", eps=1), examples)[-1] == pytest.approx(12**0.5)
    assert eps_values(attack("pgd", norm="L1", eps=1), examples)[-1] == 12


def test_an_attack_that_gives_up_shows_as_a_rise_unless_the_curve_is_nested() -> None:
    model = half()
    examples, eps = at_distances(model, DISTANCES), [0.04, 0.08, 0.16]
    curve = eps_curve(model, examples, Shy(0.08), eps=eps)
    assert [found.correct for found in curve.accuracies] == [8, 6, 10]
    assert [found.correct for found in curve.bounds] == [8, 6, 6]
    assert not curve.monotone
    assert "accuracy rises with eps: up to 4 of 10 examples stand" in curve.cautions()[0]
    nested = eps_curve(model, examples, Shy(0.08), eps=eps, nested=True)
    assert nested.accuracies == nested.bounds == curve.bounds
    assert (nested.monotone, nested.cautions()) == (True, [])


def test_standing_where_any_image_is_allowed_is_suspected() -> None:
    model = half()
    curve = eps_curve(model, at_distances(model, DISTANCES), Shy(0.08), eps=[0.08, 1.0])
    assert "at eps 1, where any image is allowed, 100.0 % stand" in curve.cautions()[1]


def test_nobody_is_attacked_again_in_a_nested_curve() -> None:
    model, heard = half(), []
    eps = [0.0, 0.1, 0.2, 0.25]
    eps_curve(
        model,
        at_distances(model, DISTANCES),
        attack("fgsm", eps=0.1),
        eps=eps,
        nested=True,
        report=lambda part, done, total: heard.append((part, total)),
    )
    assert ("eps 0.1", 10) in heard
    assert ("eps 0.2", 5) in heard
    assert not [part for part, _ in heard if part == "eps 0.25"]  # none is left


def test_the_attacks_own_point_is_what_evaluate_finds() -> None:
    model = half()
    examples, noise = at_distances(model, DISTANCES), attack("pgd", eps=0.1, steps=2, step_size=0.02)
    found = evaluate(model, examples, {"mine": noise}, seed=7).accuracies()
    curve = eps_curve(model, examples, noise, eps=[0.1], name="mine", seed=7)
    assert curve.accuracies == (found["mine"],)


def test_a_given_step_size_follows_eps() -> None:
    pgd = attack("pgd", eps=0.1, step_size=0.02)
    assert with_eps(pgd, 0.2) == attack("pgd", eps=0.2, step_size=0.04)
    assert with_eps(attack("pgd", eps=0.1, step_size=0.5), 1.0).step_size == 1.0  # type: ignore[attr-defined]
    assert with_eps(attack("pgd", eps=0.1), 0.2) == attack("pgd", eps=0.2)
    smallest = attack("cw-l2", eps=0.5)
    assert with_eps(smallest, 1.0) == attack("cw-l2", eps=1.0)  # Adam's rate has nothing to do with eps


def test_curves_are_read_back() -> None:
    model = half()
    curve = eps_curve(model, at_distances(model, DISTANCES), attack("fgsm", eps=0.1))
    assert EpsCurve.from_plain(json.loads(json.dumps(curve.plain()))) == curve


@pytest.mark.parametrize(
    ("spec", "eps", "expected"),
    [
        ({"use": "deepfool"}, None, "has no eps: give it one"),
        ({"use": "fgsm", "eps": 0}, None, "the attack's eps is 0"),
        ({"use": "fgsm", "eps": 0.1}, [], "expected eps of at least 0, one of them above"),
        ({"use": "fgsm", "eps": 0.1}, [-0.1, 0.1], "expected eps of at least 0"),
        ({"use": "pgd", "eps": 0, "step_size": 0.1}, [0.1], "cannot be scaled from an eps of 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(spec: dict[str, Any], eps: list[float] | None, expected: str) -> None:
    model = half()
    with pytest.raises(InputError, match=expected):
        eps_curve(model, at_distances(model, DISTANCES), attack(**spec), eps=eps)
