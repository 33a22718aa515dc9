"""How figures are drawn for a page: without a background of their own, in the page's text colour."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.figure import Figure

INK = "#010203"
"""Stands for the page's text colour, which the page gives to the finished drawing."""


@contextmanager
def page_style(salt: str) -> Iterator[None]:
    """Within it, what is drawn and saved has the page's style; equal salts give equal text."""
    style = {"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif", "font.size": 9.5}
    style |= {f"{part}.color": INK for part in ("xtick", "ytick", "text")}
    style |= {"axes.edgecolor": INK, "axes.labelcolor": INK, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(style):
        yield


def page_svg(figure: Figure) -> str:
    """The figure as SVG text, to be asked for within `page_style`."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")
