"""Robust accuracy over eps, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustkit.curves.eps_curve import EpsCurve
from robustkit.reporting.drawing.lines import draw_band, mark_x
from robustkit.reporting.drawing.style import GRID, SOFT, colours_of, new_figure, percent_axis, settled, styled


def draw_eps_curve(curve: EpsCurve | Mapping[str, EpsCurve]) -> Figure:
    """Robust accuracy over eps, with 95 % intervals as bands; several networks by their labels.

    The attack's own eps is a vertical line. The whole range of an image has a panel of its own at the right, as it lies
    far outside. A dotted line, where there is one, shows the bound: examples broken at no smaller eps either.
    """
    curves = {"": curve} if isinstance(curve, EpsCurve) else dict(curve)
    whole = max(found.whole for found in curves.values())
    far = any(eps >= whole for found in curves.values() for eps in found.eps)
    inside = [eps for found in curves.values() for eps in found.eps if eps < whole]
    broken = far and bool(inside) and max(inside) < 0.75 * whole
    with styled():
        figure = new_figure(3.4)
        if broken:
            near, end = figure.subplots(1, 2, sharey=True, width_ratios=[14, 1])
            _draw_end(end, curves, whole)
            _break(near, end)
        else:
            near = figure.subplots()
        _draw_near(near, curves, whole if broken else None)
        near.set_title(_title(curves))
        return settled(figure)


def _draw_near(axes: Axes, curves: Mapping[str, EpsCurve], cut: float | None) -> None:
    colours = colours_of(list(curves))
    unit, scale = _unit(curves)
    for number, (label, curve) in enumerate(curves.items()):
        kept = [place for place, eps in enumerate(curve.eps) if cut is None or eps < cut]
        eps = [scale * curve.eps[place] for place in kept]
        found = [curve.accuracies[place] for place in kept]
        draw_band(axes, eps, found, colours[label], number, label)
        bounds = [curve.bounds[place].share for place in kept]
        if any(bound < accuracy.share for bound, accuracy in zip(bounds, found, strict=True)):
            axes.plot(eps, bounds, color=colours[label], linewidth=1.2, linestyle=":")
    for own in {curve.own_eps for curve in curves.values() if curve.own_eps}:
        mark_x(axes, scale * own, "the attack's eps")
    axes.set_xlim(left=0)
    axes.set_ylim(-0.02, 1.02)
    percent_axis(axes)
    axes.set_xlabel(f"eps ({next(iter(curves.values())).norm}, {unit})")
    axes.set_ylabel("robust accuracy (%)")
    if len(curves) > 1:
        axes.legend(loc="upper right")  # where a curve that falls with eps never is


def _draw_end(axes: Axes, curves: Mapping[str, EpsCurve], whole: float) -> None:
    """The point at which any image is allowed."""
    colours = colours_of(list(curves))
    for number, (label, curve) in enumerate(curves.items()):
        if curve.eps[-1] >= whole:
            draw_band(axes, [whole], curve.accuracies[-1:], colours[label], number)
    axes.set_xticks([whole], ["any\nimage"])
    axes.set_xlim(whole * 0.9, whole * 1.1)
    axes.tick_params(axis="y", length=0, labelleft=False)


def _break(left: Axes, right: Axes) -> None:
    """Two short strokes where the axis is interrupted."""
    right.spines["left"].set_visible(False)
    stroke: dict[str, Any] = {
        "marker": [(-0.6, -1), (0.6, 1)],
        "markersize": 7,
        "linestyle": "none",
        "color": SOFT,
        "clip_on": False,
    }
    left.plot([1], [0], transform=left.transAxes, **stroke)
    right.plot([0], [0], transform=right.transAxes, **stroke)
    right.grid(color=GRID)


def _unit(curves: Mapping[str, EpsCurve]) -> tuple[str, float]:
    """What the axis counts: 1/255 where the attacks' eps are whole numbers of it in Linf, else pixels' whole range."""
    owns = [curve.own_eps for curve in curves.values()]
    eighths = all(own and abs(own * 255 - round(own * 255)) < 1e-3 for own in owns)
    if eighths and all(curve.norm == "Linf" for curve in curves.values()):
        return "1/255", 255.0
    return "pixels in [0, 1]", 1.0


def _title(curves: Mapping[str, EpsCurve]) -> str:
    attacks: Sequence[str] = sorted({str(curve.attack["use"]) for curve in curves.values()})
    return f"Accuracy under {', '.join(attacks)} of growing eps"
