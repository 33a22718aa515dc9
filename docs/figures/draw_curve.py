"""Draws a measured curve from docs/figures/measured, as `robustkit curves` and `robustkit mix` draw it.

`python docs/figures/draw_curve.py eps > eps.svg`. The figures there were measured by

    robustkit run generalist evaluation.every_epochs=2 --output runs/figures
    robustkit curves runs/figures --kind eps,steps --network all --output docs/figures/measured
    robustkit curves runs/figures --kind surface,trade-off --example 9 --output docs/figures/measured
    robustkit run three.yaml --output runs/three          # the recipe of docs/how-to/more-learners.md
    robustkit mix runs/three --grid 6 --output docs/figures/measured

of which the JSON files are kept.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from robustkit import (
    draw_eps_curve,
    draw_loss_surface,
    draw_mix_path,
    draw_steps_curve,
    draw_trade_off,
    read_curves,
    svg,
)

MEASURED = Path(__file__).parent / "measured"
PLOTS: dict[str, Any] = {
    "eps": draw_eps_curve,
    "steps": draw_steps_curve,
    "surface": draw_loss_surface,
    "trade-off": draw_trade_off,
    "mix": draw_mix_path,
}


def draw(name: str) -> str:
    """The plot of that name as SVG text: of all its curves, or of the only one."""
    curves = read_curves(MEASURED / f"{name}.json")
    return svg(PLOTS[name](curves if len(curves) > 1 else next(iter(curves.values()))))


if __name__ == "__main__":
    sys.stdout.write(draw(sys.argv[1]))
