"""Attacks of several norms: what a report says of each norm, and where it stands in a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustkit.components.attack import Attack, Norm
from robustkit.evaluation.measurement import AVERAGE, Measurement, norm_label
from robustkit.recipe.manner import Manner

UNION = "worst-case"
LEFT_OUT = (
    "No figures by norm: broken examples were dropped, so the figure of an attack includes the attacks before it, of "
    "other norms too. Measure without drop_broken to have them."
)
"""Said in place of figures that would be wrong."""
EXPLAINED = (
    "Of each norm, the worst case over its attacks; average of norms is their mean, and worst-case, over all attacks, "
    "is their union."
)
"""What the figures are."""


def norms_of(attacks: Mapping[str, Attack]) -> dict[str, Norm]:
    """By attack, the norm of its budget. An attack without a budget belongs to none."""
    return {name: attack.budget.norm for name, attack in attacks.items() if attack.budget is not None}


def norm_report(
    attacks: Mapping[str, Attack], manner: Manner, measurements: Mapping[str, Measurement]
) -> dict[str, Any]:
    """The part of report.json on norms.

    Returns:
        Nothing where the attacks are of one norm; else `norms`, by network, for each norm an accuracy and its
        `attacks`, and `average`; or, where broken examples were dropped, `norms_left_out`, which says why.
    """
    norms = norms_of(attacks)
    if len(set(norms.values())) < 2:
        return {}
    if manner.drop_broken:
        return {"norms_left_out": LEFT_OUT}
    found: dict[str, dict[str, Any]] = {}
    for network, measurement in measurements.items():
        found[network] = {name: share.plain() for name, share in measurement.by_norm().items()}
        for norm, held in found[network].items():
            if norm != AVERAGE:
                held["attacks"] = [name for name, its in norms.items() if its == norm]
    return {"norms": found}


def norm_text(report: Mapping[str, Any]) -> str:
    """What the figures by norm are, or why there are none; empty where the attacks are of one norm."""
    return EXPLAINED if "norms" in report else str(report.get("norms_left_out", ""))


def figures(report: Mapping[str, Any], network: str) -> dict[str, Mapping[str, Any]]:
    """All accuracies of a network in report.json as tables list them: natural, attacks, norms, worst case."""
    found = dict(report["networks"][network])
    norms = report.get("norms", {}).get(network, {})
    return in_order({**found, **{norm_label(name): held for name, held in norms.items()}})


def in_order(found: Mapping[str, Any]) -> dict[str, Any]:
    """By accuracy: what it was, norms behind all attacks, and the worst case behind all."""
    return dict(sorted(found.items(), key=lambda item: rank(item[0])))


def rank(part: str) -> int:
    """Where an accuracy belongs in a table; attacks of a recipe have no space in their names."""
    return 2 if part == UNION else int(" " in part)
