"""The plane of natural and robust accuracy, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from robustkit.curves.trade_off import GLOBAL, Trace, TradeOff
from robustkit.reporting.drawing.lines import draw_cross
from robustkit.reporting.drawing.style import (
    MARKERS,
    SOFT,
    colours_of,
    new_figure,
    percent_axis,
    room_for,
    settled,
    styled,
)


def draw_trade_off(plane: TradeOff) -> Figure:
    """Natural against robust accuracy: right and up is better.

    Small dots and thin arrows are validation figures after some epochs, the first to the last; large marks with crosses
    are the test figures of the kept weights and their 95 % intervals. One run: a colour a network. Several: a colour a
    run, a mark a network, and only the global learner's path. A learner that is the global one is drawn once.
    """
    traces = _drawn(plane.traces)
    runs = list(dict.fromkeys(trace.run for trace in traces))
    networks = list(dict.fromkeys(trace.network for trace in traces))
    colours = colours_of(runs if len(runs) > 1 else networks)
    with styled():
        figure = new_figure(4.2)
        axes = figure.subplots()
        for trace in traces:
            colour = colours[trace.run if len(runs) > 1 else trace.network]
            marker = MARKERS[networks.index(trace.network) % len(MARKERS)]
            _draw_path(axes, trace, colour)
            if trace.final:
                draw_cross(axes, *trace.final, colour, marker)
        _limits(axes, traces)
        axes.set_xlabel("natural accuracy (%)")
        axes.set_ylabel("robust accuracy (%)")
        axes.set_title("Natural against robust accuracy")
        _legend(figure, plane, runs, networks, colours)
        return settled(figure)


def _drawn(traces: Sequence[Trace]) -> list[Trace]:
    """Those to be seen."""
    several = len({trace.run for trace in traces}) > 1
    merged = {trace.run: trace for trace in traces if trace.network == GLOBAL}
    shown = []
    for trace in traces:
        whole = merged[trace.run]
        if trace is not whole and replace(trace, network=GLOBAL) == whole:
            continue
        hidden = several and trace is not whole
        shown.append(replace(trace, epochs=(), natural=(), robust=()) if hidden else trace)
    return shown


def _draw_path(axes: Axes, trace: Trace, colour: str) -> None:
    """From epoch to epoch, the later the clearer; the last stretch ends in an arrow."""
    places = list(zip(trace.natural, trace.robust, strict=True))
    for number, (start, end) in enumerate(zip(places, places[1:], strict=False)):
        strength = 0.2 + 0.5 * (number + 1) / len(places)
        last = number == len(places) - 2
        arrow = {"arrowstyle": "-|>" if last else "-", "color": colour, "alpha": strength, "linewidth": 1.3}
        axes.annotate("", end, start, arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9})
    for number, place in enumerate(places):
        strength = 0.25 + 0.6 * (number + 1) / len(places)
        axes.plot(*place, marker="o", markersize=3, color=colour, alpha=strength, linestyle="none", clip_on=False)


def _limits(axes: Axes, traces: Sequence[Trace]) -> None:
    ends = [trace.final[0].interval for trace in traces if trace.final]
    natural = [share for trace in traces for share in trace.natural] + [end for pair in ends for end in pair]
    ends = [trace.final[1].interval for trace in traces if trace.final]
    robust = [share for trace in traces for share in trace.robust] + [end for pair in ends for end in pair]
    axes.set_xlim(*room_for(natural))
    axes.set_ylim(*room_for(robust))
    percent_axis(axes, "x")
    percent_axis(axes, "y")


def _legend(
    figure: Figure, plane: TradeOff, runs: Sequence[str], networks: Sequence[str], colours: dict[str, str]
) -> None:
    """What colours and marks stand for, at the right, and what was measured, below it."""
    several = len(runs) > 1
    entries = [Line2D([], [], color=colours[run], linewidth=3, label=run) for run in (runs if several else [])]
    for number, network in enumerate(networks):
        colour = SOFT if several else colours[network]
        look: dict[str, Any] = {"marker": MARKERS[number % len(MARKERS)], "markersize": 7, "linestyle": "none"}
        entries.append(Line2D([], [], color=colour, label=network, **look))
    if plane.final_attack:
        label = f"test split,\n{plane.final_attack}"
        entries.append(Line2D([], [], color=SOFT, marker="+", markersize=11, linestyle="none", label=label))
    if plane.attack:
        label = f"validation, {plane.attack},\nover epochs"
        entries.append(Line2D([], [], color=SOFT, marker="o", markersize=3, linewidth=1.2, label=label))
    figure.legend(handles=entries, loc="outside right upper", handlelength=1.4, labelspacing=0.7)
