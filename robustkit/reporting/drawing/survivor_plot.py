"""How far the attacks went: the size of what breaks, and how near to breaking the rest is."""

from __future__ import annotations

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from robustkit.reporting.drawing.style import NATURAL, ROBUST, SOFT, new_figure, styled

_BINS = 6, 24


def draw_margins(broken: Tensor, standing: Tensor, losses: Tensor, *, eps: float | None) -> Figure:
    """Left, how long the worst perturbations are (L2); right, how high the loss of those that stand is driven, if any.

    Args:
        broken: (a,): L2 norms of the perturbations that broke their examples.
        standing: (b,): L2 norms of the worst ones that did not.
        losses: (b,): cross-entropy of the true class on those that stand, in nats.
        eps: the attacks' L2 radius, where they have one; a line is drawn there.
    """
    with styled():
        figure = new_figure(2.6)
        norms, *others = figure.subplots(1, 2) if len(losses) else [figure.subplots()]
        _draw_norms(norms, broken, standing, eps)
        for loss in others:
            loss.hist(losses.tolist(), bins=_edges(losses), color=NATURAL, alpha=0.75, linewidth=0)
            loss.set_title("Loss of those that stand")
            loss.set_xlabel("worst cross-entropy (nats)")
        for axes in (norms, *others):
            axes.grid(visible=False, axis="x")
            axes.set_ylabel("examples")
            axes.yaxis.get_major_locator().set_params(integer=True)
    return figure


def _draw_norms(axes: Axes, broken: Tensor, standing: Tensor, eps: float | None) -> None:
    edges = _edges(torch.cat([broken, standing]))
    held = {"broken": (broken, ROBUST), "standing": (standing, NATURAL)}
    shown = {name: pair for name, pair in held.items() if len(pair[0])}
    axes.hist(
        [values.tolist() for values, _ in shown.values()],
        bins=edges,
        stacked=True,
        color=[colour for _, colour in shown.values()],
        label=list(shown),
        alpha=0.75,
        linewidth=0,
    )
    if eps is not None:
        axes.axvline(eps, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.legend(loc="upper left", handlelength=1.0)
    axes.set_title("Length of the worst perturbations")
    axes.set_xlabel("L2 norm, pixels in [0, 1]")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 1.12)


def _edges(values: Tensor) -> list[float]:
    """Bins over the values' range; a single value gets some room."""
    low, high = (float(end) for end in torch.aminmax(values)) if len(values) else (0.0, 1.0)
    width = max(high - low, 1e-6 * max(abs(high), 1.0))
    fewest, most = _BINS
    bins = max(fewest, min(most, round(2 * len(values) ** 0.5)))
    return [low + width * place / bins for place in range(bins + 1)]
