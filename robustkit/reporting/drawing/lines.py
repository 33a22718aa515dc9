"""Lines with intervals, and their names at their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from robustkit.evaluation.measurement import Accuracy
from robustkit.reporting.drawing.style import MARKERS, SOFT, spread

_LETTER = 11.0  # points from one label's line to the next


def draw_band(
    axes: Axes, x: Sequence[float], found: Sequence[Accuracy], colour: str, number: int = 0, label: str = ""
) -> None:
    """Accuracies as a line with markers, and their 95 % intervals as a band; a lone point gets a bar.

    `label` is what a legend calls the line.
    """
    low, high = zip(*(accuracy.interval for accuracy in found), strict=True)
    shares = [accuracy.share for accuracy in found]
    if len(x) == 1:
        axes.vlines(x, low, high, color=colour, alpha=0.35, linewidth=3)
    else:
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(
        x,
        shares,
        label=label,
        color=colour,
        marker=MARKERS[number % len(MARKERS)],
        markeredgecolor="white",
        markeredgewidth=0.6,
        clip_on=False,
    )


def label_ends(
    axes: Axes, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], colours: Mapping[str, str]
) -> None:
    """Each line's name beside its last point, moved apart where they would touch; to be called last."""
    figure: Any = axes.figure
    figure.draw_without_rendering()  # the layout decides how high a letter is in the axes' units
    low, high = axes.get_ylim()
    inches = axes.get_window_extent().height / figure.dpi
    gap = _LETTER / 72 / inches * (high - low)
    heights = spread({name: shares[-1] for name, (_, shares) in lines.items()}, gap)
    right = max(x[-1] for x, _ in lines.values())
    for name in lines:
        axes.annotate(
            name,
            (right, heights[name]),
            (7, 0),
            textcoords="offset points",
            va="center",
            color=colours[name],
            fontsize=8.5,
            annotation_clip=False,
        )


def mark_x(axes: Axes, x: float, text: str, *, colour: str = SOFT, left: bool = False, height: float = 1.0) -> None:
    """A vertical line with a text on its right or left side, at a share of the axes' height."""
    axes.axvline(x, color=colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1.6)
    axes.annotate(
        text,
        (x, height),
        (-4 if left else 4, -2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if left else "left",
        va="top",
        fontsize=8,
        color=colour,
    )


def draw_cross(axes: Axes, natural: Accuracy, robust: Accuracy, colour: str, marker: str) -> None:
    """A point of the plane with both 95 % intervals."""
    axes.hlines(robust.share, *natural.interval, color=colour, linewidth=1.1, alpha=0.45, zorder=3)
    axes.vlines(natural.share, *robust.interval, color=colour, linewidth=1.1, alpha=0.45, zorder=3)
    look: dict[str, Any] = {
        "color": colour,
        "marker": marker,
        "markersize": 7.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.8,
    }
    axes.plot(natural.share, robust.share, linestyle="none", zorder=4, **look)
