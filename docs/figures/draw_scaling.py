"""Draws how cost grows, from benchmarks/results/scaling.json.

`python docs/figures/draw_scaling.py > scaling.svg`
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from page_style import INK, page_style, page_svg

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "scaling.json"
LABELS = {"steps": "attack steps", "batch": "examples a batch", "learners": "learners", "data": "batches an epoch"}


def draw() -> str:
    """One panel a series, as SVG text."""
    series = json.loads(RESULTS.read_text(encoding="utf-8"))["result"]["series"]
    with page_style("scaling"):
        figure = Figure(figsize=(7.6, 2.3), layout="constrained")
        panels = figure.subplots(1, len(series))
        for axes, (name, points) in zip(panels, series.items(), strict=True):
            _draw(axes, [point["size"] for point in points], [statistics.median(p["seconds"]) for p in points])
            axes.set_xlabel(LABELS[name])
        panels[0].set_ylabel("seconds")
        return page_svg(figure)


def _draw(axes: Axes, sizes: list[int], seconds: list[float]) -> None:
    """The measured points, and a proportional line through the last."""
    axes.loglog(sizes, seconds, marker="o", markersize=4, color="#2a78b8")
    axes.loglog(sizes, [seconds[-1] * size / sizes[-1] for size in sizes], linestyle="--", linewidth=1, color=INK)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    ends = min(seconds), max(seconds)  # powers of ten are too far apart here to name two
    axes.set_yticks(ends, [f"{end:.2g}" for end in ends])
    axes.minorticks_off()


if __name__ == "__main__":
    sys.stdout.write(draw())
