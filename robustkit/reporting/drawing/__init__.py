"""Plots of curves: `draw_...(curve)` returns a matplotlib figure, `svg(figure)` its text, `png(figure)` its pixels."""

from robustkit.reporting.drawing.eps_plot import draw_eps_curve
from robustkit.reporting.drawing.mix_plot import draw_mix_path
from robustkit.reporting.drawing.steps_plot import draw_steps_curve
from robustkit.reporting.drawing.style import png, svg
from robustkit.reporting.drawing.surface_plot import draw_loss_surface
from robustkit.reporting.drawing.trade_off_plot import draw_trade_off

__all__ = [
    "draw_eps_curve",
    "draw_loss_surface",
    "draw_mix_path",
    "draw_steps_curve",
    "draw_trade_off",
    "png",
    "svg",
]
