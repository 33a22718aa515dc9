"""What became of all examples, in one bar a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from robustkit.reporting.drawing.names import drawable
from robustkit.reporting.drawing.style import COLOURS, GRID, SOFT, new_figure, percent_axis, styled

WRONG, STANDING = "wrong on the clean image", "right under every attack"


def draw_shares(networks: Mapping[str, Mapping[str, int]]) -> Figure:
    """A bar a network, cut into its examples: wrong when clean, broken first by each attack, and those that stand.

    Args:
        networks: by name, the count of examples of each fate: `WRONG`, each attack in its order, `STANDING`.
    """
    fates = list(next(iter(networks.values())))
    rows = (len(fates) + 2) // 3
    with styled():
        figure = new_figure(0.75 + 0.34 * len(networks) + 0.17 * rows)
        axes = figure.subplots()
        looks = _looks(fates)
        for place, counts in enumerate(networks.values()):
            _draw_bar(axes, place, counts, looks)
        axes.set_yticks(range(len(networks)), [drawable(name) for name in networks])
        axes.set_ylim(len(networks) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.grid(visible=False)
        axes.tick_params(axis="y", length=0)
        percent_axis(axes, "x")
        axes.set_xlabel("test examples (%)")
        handles = [Patch(label=_label(fate), **looks[fate]) for fate in fates]
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.0, columnspacing=1.4)
    return figure


def _label(fate: str) -> str:
    return fate if fate in (WRONG, STANDING) else f"first broken by {drawable(fate, 18)}"


def _looks(fates: list[str]) -> dict[str, dict[str, Any]]:
    """Attacks have colours, hatched from the ninth on; what no attack did is grey."""
    looks: dict[str, dict[str, Any]] = {}
    for number, fate in enumerate(fate for fate in fates if fate not in (WRONG, STANDING)):
        hatch = "//" if number >= len(COLOURS) else None
        # From the second colour on: the first is a natural network's.
        colour = COLOURS[(number + 1) % len(COLOURS)]
        looks[fate] = {"facecolor": colour, "alpha": 0.8, "hatch": hatch, "edgecolor": "white", "linewidth": 0.6}
    looks[WRONG] = {"facecolor": SOFT, "edgecolor": "white", "linewidth": 0.6}
    looks[STANDING] = {"facecolor": GRID, "edgecolor": "white", "linewidth": 0.6}
    return looks


def _draw_bar(axes: Axes, place: int, counts: Mapping[str, int], looks: Mapping[str, Mapping[str, Any]]) -> None:
    total, left = sum(counts.values()), 0.0
    for fate, count in counts.items():
        share = count / total
        axes.barh(place, share, 0.62, left=left, **looks[fate])
        if share > 0.045:
            light = "white" if fate not in (STANDING,) else "#222222"
            axes.text(left + share / 2, place, f"{100 * share:.1f}", ha="center", va="center", fontsize=8, color=light)
        left += share
