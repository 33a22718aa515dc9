"""Accuracy class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustkit.evaluation.measurement import Accuracy
from robustkit.reporting.drawing.names import drawable
from robustkit.reporting.drawing.style import MARKERS, colours_of, new_figure, percent_axis, styled


def draw_classes(classes: Sequence[str], series: Mapping[str, Sequence[Accuracy | None]], measure: str) -> Figure:
    """For each class, the series' accuracies as marks with 95 % Wilson intervals.

    Args:
        classes: their names, from the left.
        series: by name, an accuracy a class; None where a class has no example.
        measure: what the accuracies are: the axis says so.
    """
    with styled():
        figure = new_figure(2.9)
        axes = figure.subplots()
        colours = colours_of(list(series))
        for number, (name, found) in enumerate(series.items()):
            offset = (number - (len(series) - 1) / 2) * min(0.2, 0.7 / len(series))
            _draw_series(axes, drawable(name), found, offset, colours[name], MARKERS[number % len(MARKERS)])
        names = [drawable(name, 18) for name in classes]
        wide = max(map(len, names)) * len(classes) > 60
        turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if wide else {}
        axes.set_xticks(range(len(classes)), names, **turned)
        axes.set_xlim(-0.6, len(classes) - 0.4)
        axes.set_ylim(-0.02, 1.02)
        axes.grid(visible=False, axis="x")
        percent_axis(axes)
        axes.set_xlabel("true class")
        axes.set_ylabel(f"{measure} (%)")
        if len(series) > 1:
            figure.legend(loc="outside upper left", ncols=min(3, len(series)), handlelength=1.2)
    return figure


def _draw_series(
    axes: Axes, label: str, found: Sequence[Accuracy | None], offset: float, colour: str, marker: str
) -> None:
    shown = [(place + offset, accuracy) for place, accuracy in enumerate(found) if accuracy is not None]
    places = [place for place, _ in shown]
    low, high = zip(*(accuracy.interval for _, accuracy in shown), strict=True)
    axes.vlines(places, low, high, color=colour, linewidth=1.3, alpha=0.55)
    look: dict[str, Any] = {"marker": marker, "markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.6}
    shares = [accuracy.share for _, accuracy in shown]
    axes.plot(places, shares, color=colour, linestyle="none", label=label, clip_on=False, **look)
