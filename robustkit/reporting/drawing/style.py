"""What all plots have in common: sizes, colours that everybody can tell apart, and files that are always the same."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 6.25
"""Inches: 600 pixels in a page."""
INK, SOFT, GRID = "#222222", "#6b6b6b", "#e4e4e4"
NATURAL, ROBUST, MERGED, CHOSEN = "#0072b2", "#d55e00", "#111111", "#b5179e"
COLOURS = (NATURAL, ROBUST, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c564b")
"""Those of Okabe and Ito: told apart with any kind of colour vision."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that a plot is the same everywhere
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7.0,
    "axes.labelsize": 9.0,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",  # readable on any page, light or dark
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "robustkit",
    "path.simplify": True,
}


@contextmanager
def styled() -> Iterator[None]:
    """Within it, matplotlib draws in this style, whatever the user's own settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(height: float) -> Figure:
    """An empty figure, so many inches high; to be made within `styled`."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def settled(figure: Figure) -> Figure:
    """The figure with its layout computed once and for all, so that every file of it is the same."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def svg(figure: Figure, title: str = "") -> str:
    """The figure as SVG text that needs nothing else: letters are outlines, nothing is loaded, no date is in it.

    The same figure gives the same text. `title` is what screen readers say.
    """
    file = io.StringIO()
    with styled():
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = file.getvalue()
    head, _, rest = text[text.index("<svg") :].partition(">")
    name = f"\n <title>{escape(title)}</title>" if title else ""
    return f'{head} role="img">{name}{rest}'


def png(figure: Figure, dots_per_inch: int = 192) -> bytes:
    """The figure as a PNG file, by default 1200 pixels wide."""
    file = io.BytesIO()
    with styled():
        figure.savefig(file, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return file.getvalue()


def colours_of(names: Sequence[str]) -> dict[str, str]:
    """A colour for each network: its usual one for `global`, `natural` and `robust`, else the next that is free."""
    usual = {"global": MERGED, "natural": NATURAL, "robust": ROBUST}
    taken = {usual[name] for name in names if name in usual}
    free = itertools.cycle([colour for colour in COLOURS if colour not in taken] or COLOURS)
    return {name: usual[name] if name in usual else next(free) for name in names}


def percent_axis(axes: Axes, which: str = "y") -> None:
    """Ticks in percent, on an axis whose values are shares."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(lambda value, _: f"{100 * value:.4g}")


def room_for(shares: Sequence[float]) -> tuple[float, float]:
    """Limits around accuracies, with a margin, inside [0, 1] as far as ticks go."""
    low, high = min(shares), max(shares)
    margin = max(0.08 * (high - low), 0.025)
    return max(-0.02, low - margin), min(1.01, high + margin)


def spread(places: Mapping[str, float], gap: float) -> dict[str, float]:
    """Labels' heights, moved apart just so far that none is nearer to another than `gap`, in their order."""
    ordered = sorted(places, key=lambda name: places[name])
    merged: list[tuple[list[str], float]] = []
    for name in ordered:
        merged.append(([name], places[name]))
        while len(merged) > 1 and _top(merged[-2], gap) + gap > _bottom(merged[-1], gap):
            upper, lower = merged.pop(), merged.pop()
            together = lower[0] + upper[0]
            merged.append((together, sum(places[name] for name in together) / len(together)))
    return {name: _bottom(group, gap) + number * gap for group in merged for number, name in enumerate(group[0])}


def _bottom(group: tuple[list[str], float], gap: float) -> float:
    return group[1] - gap * (len(group[0]) - 1) / 2


def _top(group: tuple[list[str], float], gap: float) -> float:
    return group[1] + gap * (len(group[0]) - 1) / 2
