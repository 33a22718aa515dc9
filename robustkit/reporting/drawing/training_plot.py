"""A run's epochs, drawn: losses, and accuracies on the validation split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from robustkit.reporting.drawing.names import drawable
from robustkit.reporting.drawing.style import (
    MARKERS,
    SOFT,
    colours_of,
    new_figure,
    percent_axis,
    styled,
)

_DASHES: Sequence[Any] = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))


def draw_training(metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Left, each learner's training loss; right, validation accuracies of all networks, where they were measured.

    Args:
        metrics: the lines of metrics.jsonl.
    """
    learners = list(metrics[0]["learners"])
    networks = ["global", *learners]
    measured = [line for line in metrics if "validation" in line["global"]]
    with styled():
        figure = new_figure(2.9)
        axes = figure.subplots(1, 2) if measured else [figure.subplots()]
        colours = colours_of(networks)
        epochs = [line["epoch"] for line in metrics]
        for name in learners:
            losses = [line["learners"][name].get("loss", float("nan")) for line in metrics]
            axes[0].plot(epochs, losses, color=colours[name], label=drawable(name))
        axes[0].set_title("Training loss of each learner")
        axes[0].set_ylabel("mean loss of the epoch")
        axes[0].set_ylim(bottom=0)
        if measured:
            _draw_validation(axes[1], measured, networks, colours)
        for one in axes:
            one.set_xlabel("epoch")
            one.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, steps=[1, 2, 5, 10]))
        parts = list(measured[0]["global"]["validation"]) if measured else []
        figure.legend(
            handles=_handles(networks if measured else learners, colours, parts), loc="outside upper left", ncols=5
        )
    return figure


def _draw_validation(
    axes: Axes, lines: Sequence[Mapping[str, Any]], networks: Sequence[str], colours: Mapping[str, str]
) -> None:
    parts = list(lines[0]["global"]["validation"])
    epochs = [line["epoch"] for line in lines]
    for name in networks:
        found = [(line["global"] if name == "global" else line["learners"][name])["validation"] for line in lines]
        for number, part in enumerate(parts):
            look = {"linestyle": _DASHES[number % len(_DASHES)], "marker": MARKERS[number % len(MARKERS)]}
            shares = [share[part] for share in found]
            axes.plot(epochs, shares, color=colours[name], markersize=4, linewidth=1.5, clip_on=False, **look)
    axes.set_ylim(0, 1.02)
    percent_axis(axes)
    axes.set_title("Accuracy on the validation split")
    axes.set_ylabel("accuracy (%)")


def _handles(networks: Sequence[str], colours: Mapping[str, str], parts: Sequence[str]) -> list[Line2D]:
    handles = [Line2D([], [], color=colours[name], linewidth=2.4, label=drawable(name)) for name in networks]
    for number, part in enumerate(parts):
        look = {"linestyle": _DASHES[number % len(_DASHES)], "marker": MARKERS[number % len(MARKERS)]}
        label = "clean images" if part == "natural" else f"under {drawable(part)}"
        handles.append(Line2D([], [], color=SOFT, markersize=4, linewidth=1.5, label=label, **look))
    return handles
