"""Robust accuracy over attack steps, drawn."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from robustkit.curves.steps_curve import StepsCurve
from robustkit.reporting.drawing.lines import draw_band, label_ends, mark_x
from robustkit.reporting.drawing.style import colours_of, new_figure, percent_axis, room_for, settled, styled


def draw_steps_curve(curve: StepsCurve | Mapping[str, StepsCurve]) -> Figure:
    """Robust accuracy over steps, a logarithmic axis, with 95 % intervals as bands; several networks by their labels.

    A curve that still falls at its right end belongs to an attack that has not converged.
    """
    curves = {"": curve} if isinstance(curve, StepsCurve) else dict(curve)
    colours = colours_of(list(curves))
    with styled():
        figure = new_figure(3.2)
        axes = figure.subplots()
        for number, (label, found) in enumerate(curves.items()):
            draw_band(axes, found.steps, found.accuracies, colours[label], number)
        for own in {found.own_steps for found in curves.values()}:
            mark_x(axes, own, "the attack's steps")
        bounds = [end for found in curves.values() for accuracy in found.accuracies for end in accuracy.interval]
        counts = sorted({count for found in curves.values() for count in found.steps})
        axes.set_xscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(*room_for(bounds))
        percent_axis(axes)
        axes.set_xlabel("attack steps")
        axes.set_ylabel("robust accuracy (%)")
        attacks = ", ".join(sorted({str(found.attack["use"]) for found in curves.values()}))
        axes.set_title(f"Accuracy under {attacks} with more steps")
        if len(curves) > 1:
            lines = {name: (found.steps, [a.share for a in found.accuracies]) for name, found in curves.items()}
            label_ends(axes, lines, colours)
        return settled(figure)
