"""Figures as SVG inside a page: their names are their own, and their colours follow the page's."""

from __future__ import annotations

import re

from matplotlib.figure import Figure

from robustkit.reporting.drawing.style import COLOURS, GRID, INK, MERGED, SOFT, svg
from robustkit.reporting.markup import Html, readable

_THEME = {INK: "ink", SOFT: "soft", GRID: "line", MERGED: "merged", "#ffffff": "paper"} | {
    colour: f"series-{number}" for number, colour in enumerate(COLOURS)
}
"""Colours of drawings by the page's variables, which are others in the dark."""
_COLOUR = re.compile("#[0-9a-f]{6}")
_NAME = re.compile(r'(\bid="|\bhref="#|url\(#)')
_SIZE = re.compile(r'<svg width="[^"]*" height="[^"]*"')
_REM_AN_INCH = 7.04  # a figure of the usual width has 44 rem
_COMMENT = re.compile("<!--.*?-->", re.DOTALL)
_SPACES = re.compile(r' xmlns(?::\w+)?="[^"]*"')


def plot(figure: Figure, title: str, *, themed: bool = True) -> Html:
    """A figure as a part of a page.

    Args:
        figure: what was drawn.
        title: what screen readers say; it also keeps the names inside the SVG apart from those of the page's others.
        themed: let its colours follow the page's; not for figures whose lines lie on pictures.
    """
    text = _COMMENT.sub("", svg(figure, readable(title)))
    text = _SPACES.sub("", text).replace("xlink:href", "href")
    text = _SIZE.sub(f'<svg style="--wide: {_REM_AN_INCH * figure.get_figwidth():.2f}rem"', text, count=1)
    prefix = re.sub("[^a-z0-9]+", "-", title.lower())
    text = _NAME.sub(rf"\g<1>{prefix}-", text)
    if themed:
        text = _COLOUR.sub(lambda found: _themed(found[0]), text)
    return Html(text)


def _themed(colour: str) -> str:
    return f"var(--{_THEME[colour]})" if colour in _THEME else colour
