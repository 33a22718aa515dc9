"""Draws a Generalist recipe's schedule from the recipe itself: learning rates, the mix, and the hand-outs.

`python docs/figures/draw_schedule.py generalist-cifar10 > schedule.svg`
"""

from __future__ import annotations

import math
import sys

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from page_style import INK, page_style, page_svg

from robustkit import Aggregator, Clock, Recipe, load_recipe, rate_at

COLOURS = {"natural": "#2a78b8", "robust": "#d1682c"}
_BATCHES = 100  # moments of an epoch at which the aggregator is asked


def draw(name: str) -> str:
    """The schedule of an installed recipe as SVG text."""
    recipe = load_recipe(name)
    with page_style(name):
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        rates, mix, deals = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1])
        _draw_rates(rates, recipe)
        _draw_mix(mix, recipe)
        _draw_deals(deals, recipe)
        figure.align_ylabels()
        return page_svg(figure)


def _draw_rates(axes: Axes, recipe: Recipe) -> None:
    """Learning rate of each learner; one that hides under another is drawn dashed over it."""
    for number, (name, learner) in enumerate(recipe.learners.items()):
        rates = [rate_at(learner.optimizer.lr, Clock(recipe.epochs, 1, epoch)) for epoch in _epochs(recipe)]
        pattern, width = ("-", 3.5) if number == 0 else ((0, (4, 3)), 2)
        axes.step(_edges(recipe), _held(rates), label=name, color=COLOURS[name], linestyle=pattern, linewidth=width)
    axes.set_yscale("log")
    axes.set_ylim(*_decades(axes.get_ylim()))
    axes.set_ylabel("learning rate")
    axes.legend(frameon=False, loc="lower left")


def _decades(limits: tuple[float, float]) -> tuple[float, float]:
    """The powers of ten around these limits, with a margin, so that an axis has at least two of them to name."""
    low, high = (math.log10(limit) for limit in limits)
    return 10 ** math.floor(low + 0.1) * 0.7, 10 ** math.ceil(high - 0.1) * 1.4


def _draw_mix(axes: Axes, recipe: Recipe) -> None:
    """The robust learner's share in the mix; the natural one has the rest."""
    shares = [rate_at(recipe.aggregator.mix["robust"], Clock(recipe.epochs, 1, epoch)) for epoch in _epochs(recipe)]
    for name, low, high in (("robust", [0.0] * len(shares), shares), ("natural", shares, [1.0] * len(shares))):
        axes.fill_between(
            _edges(recipe), _held(low), _held(high), step="pre", color=COLOURS[name], alpha=0.75, linewidth=0
        )
        middle = (low[-1] + high[-1]) / 2
        axes.annotate(name, (recipe.epochs, middle), (-8, 0), textcoords="offset points", ha="right", va="center")
    axes.set_ylim(0, 1)
    axes.set_ylabel("share in the mix")


def _draw_deals(axes: Axes, recipe: Recipe) -> None:
    """The moments at which learners go on from the global learner's weights."""
    moments = deals(recipe.aggregator, recipe.epochs)
    axes.vlines(moments, 0, 1, color=INK, linewidth=1.4 if len(moments) < _BATCHES else 0.4)
    start = recipe.aggregator.start_epoch
    axes.annotate(
        f"start_epoch {start} ", (start - 1, 0.5), (-4, 0), textcoords="offset points", ha="right", va="center"
    )
    axes.axvline(start - 1, color=INK, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 1.15)
    axes.set_yticks([])
    axes.set_ylabel("dealt out")
    axes.set_xlabel("epochs done")
    axes.set_xlim(0, recipe.epochs + 0.5)


def deals(aggregator: Aggregator, epochs: int) -> list[float]:
    """Epochs done (with fractions) at every hand-out, as the aggregator itself answers."""
    clocks = [Clock(epochs, _BATCHES, epoch, batch) for epoch in range(1, epochs + 1) for batch in range(_BATCHES + 1)]
    return [clock.progress for clock in clocks if aggregator.redistributes(clock)]


def _epochs(recipe: Recipe) -> range:
    return range(1, recipe.epochs + 1)


def _edges(recipe: Recipe) -> range:
    """Where epochs begin and end, in epochs done."""
    return range(recipe.epochs + 1)


def _held(values: list[float]) -> list[float]:
    """One value an epoch, for steps that are drawn towards the epoch's end: the first is also the start's."""
    return [values[0], *values]


if __name__ == "__main__":
    sys.stdout.write(draw(sys.argv[1]))
