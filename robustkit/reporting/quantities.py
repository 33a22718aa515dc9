"""Numbers as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustkit.evaluation.measurement import Accuracy, Share
from robustkit.reporting.markup import Html, element, joined

NONE = "–"
"""In a cell that has no number."""


def points(share: float) -> str:
    """`93.1`: a share in percent, without its unit."""
    return f"{100 * share:.1f}"


def interval(ends: tuple[float, float] | list[float]) -> str:
    """`[90.4, 95.1]`: an interval of shares in percent, without its unit."""
    low, high = ends
    return f"[{points(low)}, {points(high)}]"


def with_interval(accuracy: Share, *, strong: bool = False) -> Html:
    """A cell: a share in percent and its interval, which is set smaller."""
    share = points(accuracy.share)
    head = element("b", share) if strong else share
    return joined(head, " ", element("span", interval(accuracy.interval), class_="interval"))


def accuracy_of(found: Mapping[str, Any]) -> Accuracy:
    """An accuracy as report.json holds it."""
    return Accuracy(found["correct"], found["examples"])


def seconds(value: float) -> str:
    """`0.41`, `42.0`, `1,260`: seconds, without their unit."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def number(value: Any) -> str:
    """A setting's value: floats as `radius` has them, all else as it is written in a recipe."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return radius(value) if isinstance(value, float) else str(value)


def radius(value: float) -> str:
    """`8/255` where that is what it is, else in six digits: `0.3`."""
    steps = value * 255
    whole = 0.5 < steps < 64.5 and abs(steps - round(steps)) < 1e-9
    # 0.2 is 51/255 and 1/3 is 85/255, but nobody would say so.
    return f"{round(steps)}/255" if whole and value != round(value, 3) else f"{value:.6g}"


def p_value(value: float) -> str:
    """`0.013`, or `< 0.001`."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
