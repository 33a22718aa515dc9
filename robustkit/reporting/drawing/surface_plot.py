"""The loss around an example, drawn as two maps of the same plane."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from robustkit.curves.loss_surface import LossSurface
from robustkit.reporting.drawing.style import INK, new_figure, settled, styled

_FIRST = {"attack": "towards the attack's image", "gradient": "along the gradient's sign"}


def draw_loss_surface(surface: LossSurface) -> Figure:
    """Margin (left) and cross-entropy (right) over the plane, with the attack's ball and the decision boundary.

    Red margins are misclassified, blue ones right, and the thick line lies between. The dashed outline is the ball, the
    dot the clean image, the cross the attack's.
    """
    with styled():
        figure = new_figure(3.0)
        margin, entropy = figure.subplots(1, 2, sharey=True)
        reach = max(float(surface.margin.abs().max()), 1e-6)
        norm = TwoSlopeNorm(0.0, -reach, reach)
        _draw(margin, surface, surface.margin, INK, "white", cmap="RdBu_r", norm=norm)
        _draw(entropy, surface, surface.cross_entropy, "white", INK, cmap="cividis")
        _name_marks(margin, surface)
        margin.set_title("Margin (logits)")
        entropy.set_title("Cross-entropy (nats)")
        margin.set_ylabel(f"random direction\n(units of eps = {surface.eps:.3g}, {surface.norm})")
        return settled(figure)


def _draw(axes: Axes, surface: LossSurface, values: Tensor, line: str, edge: str, **colours: Any) -> None:
    """One map. Its cells are a picture inside the file: two thousand small shapes would be slow to show."""
    step = (surface.axis[1] - surface.axis[0]) / 2
    ends = (surface.axis[0] - step, surface.axis[-1] + step)
    shown = axes.imshow(values.numpy(), origin="lower", extent=(*ends, *ends), interpolation="bilinear", **colours)
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.85, aspect=25, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    bar.ax.grid(visible=False)
    if float(surface.margin.min()) < 0 < float(surface.margin.max()):
        axes.contour(surface.axis, surface.axis, surface.margin.numpy(), levels=[0.0], colors=[line], linewidths=1.8)
    a, b = zip(*surface.ball, strict=True)
    axes.plot(a, b, color=line, linewidth=1.1, linestyle=(0, (4, 2.5)))
    axes.plot([0], [0], marker="o", markersize=5.5, color=line, markeredgecolor=edge, markeredgewidth=0.8)
    if surface.attacked_at is not None:
        axes.plot([surface.attacked_at], [0], marker="X", markersize=7.5, color=line, markeredgecolor=edge)
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel(_FIRST[surface.direction])
    axes.grid(visible=False)
    axes.set_aspect("equal")


def _name_marks(axes: Axes, surface: LossSurface) -> None:
    """What dot, cross and dashes are."""
    halo = [withStroke(linewidth=2.5, foreground="white", alpha=0.85)]
    look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "path_effects": halo}
    axes.annotate("clean", (0, 0), (0, 6), ha="center", **look)
    if surface.attacked_at is not None:
        axes.annotate("attack", (surface.attacked_at, 0), (0, 7), ha="center", **look)
    lowest = min(surface.ball, key=lambda place: place[1])
    axes.annotate("ball", lowest, (0, -4), ha="center", va="top", **look)
