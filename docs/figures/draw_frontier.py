"""Draws what `robustkit mix` found of a run of docs/results.md, from benchmarks/ledger/measured/frontier.json.

`python docs/figures/draw_frontier.py > frontier.svg`
"""

from __future__ import annotations

import sys
from pathlib import Path

from robustkit import draw_mix_path, read_curves, svg

FRONTIER = Path(__file__).resolve().parents[2] / "benchmarks" / "ledger" / "measured" / "frontier.json"


def draw() -> str:
    """The plot as SVG text."""
    (path,) = read_curves(FRONTIER).values()
    return svg(draw_mix_path(path))


if __name__ == "__main__":
    sys.stdout.write(draw())
