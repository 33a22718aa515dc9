"""Accuracies of networks, as bars with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustkit.evaluation.measurement import Share
from robustkit.reporting.drawing.names import drawable
from robustkit.reporting.drawing.style import INK, colours_of, new_figure, percent_axis, styled


def draw_accuracies(networks: Mapping[str, Mapping[str, Share]]) -> Figure:
    """A group of bars for each accuracy (natural, attacks, norms, worst-case), a bar a network or run, from 0 to 100 %.

    Lines are 95 % Wilson intervals. Where a network lacks an accuracy, so does its bar.
    """
    parts = list(dict.fromkeys(part for found in networks.values() for part in found))
    thick = 0.8 / len(networks)
    inches = max(1.6, 0.75 + len(parts) * max(0.24, 0.15 * len(networks)) + 0.16 * ((len(networks) + 2) // 3))
    with styled():
        figure = new_figure(inches)
        axes = figure.subplots()
        colours = colours_of(list(networks))
        for number, (name, found) in enumerate(networks.items()):
            offset = (number - (len(networks) - 1) / 2) * thick
            places = [place + offset for place, part in enumerate(parts) if part in found]
            shown = [found[part] for part in parts if part in found]
            shares = [accuracy.share for accuracy in shown]
            look: dict[str, Any] = {"color": colours[name], "alpha": 0.75, "label": drawable(name)}
            axes.barh(places, shares, 0.88 * thick, linewidth=0, **look)
            _intervals(axes, places, shown)
        axes.set_yticks(range(len(parts)), [drawable(part) for part in parts])
        axes.set_ylim(len(parts) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        percent_axis(axes, "x")
        axes.set_xlabel("accuracy (%)")
        if len(networks) > 1:
            figure.legend(loc="outside upper left", ncols=min(3, len(networks)), handlelength=1.0)
    return figure


def _intervals(axes: Axes, places: list[float], shown: list[Share]) -> None:
    low, high = zip(*(accuracy.interval for accuracy in shown), strict=True)
    axes.hlines(places, low, high, color="white", linewidth=2.2)  # a seam, so that a line is seen on its bar
    axes.hlines(places, low, high, color=INK, linewidth=1.1)
