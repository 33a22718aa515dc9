"""Draws a study of docs/results.md, from benchmarks/ledger/measured.

`python docs/figures/draw_results.py figure-4a > figure-4a.svg`
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from page_style import INK, page_style, page_svg

MEASURED = Path(__file__).resolve().parents[2] / "benchmarks" / "ledger" / "measured"
MARKERS = "osD^vPXp<>h*"


def draw(name: str) -> str:
    """Natural against robust accuracy, a point a row with bars of one standard deviation, as SVG text."""
    found = json.loads((MEASURED / f"{name}.json").read_text(encoding="utf-8"))
    points: dict[str, list[tuple[float, float]]] = {row: [] for row in found["changes"]}
    for run in found["runs"]:
        accuracies = run["accuracies"]
        robust = next((key for key in ("autoattack", "worst-case") if key in accuracies), list(accuracies)[-1])
        points[run["name"]].append((100 * accuracies["natural"], 100 * accuracies[robust]))
    with page_style(name):
        figure = Figure(figsize=(7.0, 3.4), layout="constrained")
        axes = figure.subplots()
        colors = matplotlib.colormaps["tab10"]
        for index, (row, pairs) in enumerate(points.items()):
            natural_values, robust_values = zip(*pairs, strict=True)
            axes.errorbar(
                statistics.mean(natural_values),
                statistics.mean(robust_values),
                xerr=statistics.stdev(natural_values) if len(pairs) > 1 else None,
                yerr=statistics.stdev(robust_values) if len(pairs) > 1 else None,
                marker=MARKERS[index % len(MARKERS)],
                color=colors(index % 10),
                linestyle="none",
                elinewidth=0.8,
                markersize=5,
                label=row,
            )
        axes.set_xlabel("natural accuracy, %")
        axes.set_ylabel(f"robust accuracy ({robust}), %")
        axes.grid(color=INK, alpha=0.12, linewidth=0.6)
        figure.legend(loc="outside right upper", frameon=False, fontsize=8.5)
        return page_svg(figure)


if __name__ == "__main__":
    sys.stdout.write(draw(sys.argv[1]))
