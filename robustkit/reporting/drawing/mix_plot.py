"""Accuracy between learners, drawn."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustkit.curves.mix_path import Mix, MixPath
from robustkit.reporting.drawing.lines import draw_band, draw_cross, label_ends, mark_x
from robustkit.reporting.drawing.style import (
    CHOSEN,
    MERGED,
    NATURAL,
    ROBUST,
    SOFT,
    colours_of,
    new_figure,
    percent_axis,
    room_for,
    settled,
    styled,
)


def draw_mix_path(path: MixPath, *, weight: float | None = 0.5) -> Figure:
    """Natural against robust accuracy of the mixes and, for two learners, both over the second one's share.

    The line is the path between two learners; for more of them it joins the mixes that no other beats in both. Crosses
    are 95 % intervals of the learners and the run's own global learner; the ring is the mix with the largest
    `weight * natural + (1 - weight) * robust`, left out for a weight of None.
    """
    two = len(path.learners) == 2
    with styled():
        figure = new_figure(3.3 if two else 4.2)
        if two:
            plane, shares = figure.subplots(1, 2, width_ratios=[1.1, 1])
            _draw_shares(shares, path, weight)
        else:
            plane = figure.subplots()
        _draw_plane(plane, path, weight)
        return settled(figure)


def _draw_plane(axes: Axes, path: MixPath, weight: float | None) -> None:
    colours = colours_of(path.learners)
    natural = [mix.natural.share for mix in path.mixes]
    robust = [mix.robust.share for mix in path.mixes]
    axes.plot(natural, robust, color=SOFT, linestyle="none", marker="o", markersize=3.5, zorder=2.5)
    line = path.mixes if len(path.learners) == 2 else _front(path)
    places = [mix.natural.share for mix in line], [mix.robust.share for mix in line]
    axes.plot(*places, color=SOFT, linewidth=1.2, alpha=0.7, zorder=2.4)
    for mix in path.mixes:
        for name, share in mix.shares.items():
            if share == 1.0:
                _draw_named(axes, mix, name, colours[name], "s")
    _draw_named(axes, path.merged, "global", MERGED, "D")
    if weight is not None:
        _ring(axes, path, weight)
    measured = [*path.mixes, path.merged]
    ends = [mix for mix in measured if not mix.shares or max(mix.shares.values()) == 1.0]
    axes.set_xlim(*room_for(natural + [end for mix in ends for end in mix.natural.interval]))
    axes.set_ylim(*room_for(robust + [end for mix in ends for end in mix.robust.interval]))
    percent_axis(axes, "x")
    percent_axis(axes, "y")
    axes.set_xlabel("natural accuracy (%)")
    name = _robust_name(path)
    axes.set_ylabel(f"{name} accuracy (%)" if name == "worst-case" else f"accuracy under {name} (%)")
    axes.set_title(f"Mixes on the {path.split} split")


def _ring(axes: Axes, path: MixPath, weight: float) -> None:
    """Around the best mix; on a simplex with its shares, which no other panel shows."""
    best = path.best(weight)
    place = best.natural.share, best.robust.share
    axes.plot(*place, marker="o", markersize=12, color="none", markeredgecolor=CHOSEN, markeredgewidth=1.4, zorder=5)
    if len(path.learners) > 2:
        shares = ", ".join(f"{name} {share:.3g}" for name, share in best.shares.items() if share)
        text = f"best at weight {weight:g}:\n{shares}"
        axes.annotate(text, place, (9, 9), textcoords="offset points", color=CHOSEN, fontsize=8.5)


def _front(path: MixPath) -> list[Mix]:
    """The mixes that no other beats in both accuracies, by natural accuracy."""
    ordered = sorted(path.mixes, key=lambda mix: (mix.natural.share, mix.robust.share), reverse=True)
    front: list[Mix] = []
    for mix in ordered:
        if not front or mix.robust.share > front[-1].robust.share:
            front.append(mix)
    return front


def _draw_named(axes: Axes, mix: Mix, name: str, colour: str, marker: str) -> None:
    draw_cross(axes, mix.natural, mix.robust, colour, marker)
    place = (mix.natural.share, mix.robust.share)
    axes.annotate(name, place, (6, 5), textcoords="offset points", color=colour, fontsize=8.5, zorder=6)


def _draw_shares(axes: Axes, path: MixPath, weight: float | None) -> None:
    last = path.learners[-1]
    shares = [mix.shares[last] for mix in path.mixes]
    lines = {"natural": [mix.natural for mix in path.mixes], _robust_name(path): [mix.robust for mix in path.mixes]}
    colours = {"natural": NATURAL, _robust_name(path): ROBUST}
    for number, (name, found) in enumerate(lines.items()):
        draw_band(axes, shares, found, colours[name], number)
    if weight is not None:
        best = path.best(weight).shares[last]
        mark_x(axes, best, f"best at weight {weight:g}", colour=CHOSEN, left=best > 0.5, height=0.55)
    axes.set_ylim(*room_for([end for found in lines.values() for a in found for end in a.interval]))
    axes.set_xlim(-0.03, 1.03)
    percent_axis(axes)
    axes.set_xlabel(f"share of {last}")
    axes.set_ylabel("accuracy (%)")
    axes.set_title("The same over the mix")
    label_ends(axes, {name: (shares, [a.share for a in found]) for name, found in lines.items()}, colours)


def _robust_name(path: MixPath) -> str:
    return list(path.merged.accuracies)[-1]
