"""Which classes broken examples are taken for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from robustkit.reporting.drawing.names import drawable
from robustkit.reporting.drawing.style import new_figure, styled

_SCALE = LinearSegmentedColormap.from_list("broken", ["#fbe3d4", "#f3a77a", "#d55e00", "#7a3500"])
_DARK, _LIGHT = "#242424", "#fefefe"  # no colours of the page's theme: a cell is as dark on a dark page


def draw_confusion(counts: Tensor, classes: Sequence[str]) -> Figure:
    """How often examples of a class (row) are taken for another (column) in their worst case; empty cells are none.

    Args:
        counts: (K, K), whole numbers; true class, then prediction.
        classes: K names.
    """
    many = len(classes) > 12
    with styled():
        figure = new_figure(4.6 if many else 3.9)
        figure.set_figwidth(5.6 if many else 4.7)  # as wide as a square of cells and its scale need
        axes = figure.subplots()
        shown = counts.double().masked_fill(counts == 0, float("nan")).numpy()
        largest = max(1, int(counts.max()))
        drawn = axes.pcolormesh(shown, cmap=_SCALE, vmin=0, vmax=largest, edgecolors="none")
        if not many:
            _write(axes, counts, largest)
        names = [drawable(name, 14) for name in classes]
        ticks = [place + 0.5 for place in range(len(classes))]
        wide = max(map(len, names)) > 3
        turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if wide else {}
        axes.set_xticks(ticks, names, **turned)
        axes.set_yticks(ticks, names)
        axes.set_ylim(len(classes), 0)
        axes.set_aspect("equal")
        axes.grid(visible=False)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted class, attacked")
        axes.set_ylabel("true class")
        look: dict[str, Any] = {"shrink": 0.8, "aspect": 25, "pad": 0.03, "label": "broken examples"}
        look["ticks"] = MaxNLocator(nbins=8, integer=True)
        bar = figure.colorbar(drawn, ax=axes, **look)
        bar.outline.set_visible(False)
        bar.ax.grid(visible=False)
    return figure


def _write(axes: Axes, counts: Tensor, largest: int) -> None:
    for row, column in counts.nonzero().tolist():
        count = int(counts[row, column])
        colour = _LIGHT if count > 0.5 * largest else _DARK
        axes.text(column + 0.5, row + 0.52, str(count), ha="center", va="center", fontsize=7.5, color=colour)
