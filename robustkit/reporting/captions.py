"""Tables and figures with their numbers and captions, and the sections they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from robustkit.reporting.markup import Html, element, joined


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    name: str
    """Its address within the page."""
    title: str
    body: Html


@dataclass
class Captions:
    """Counts a page's tables and figures."""

    tables: int = field(default=0, init=False)
    figures: int = field(default=0, init=False)

    def table(
        self,
        caption: str,
        head: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        words: Sequence[int] = (0,),
        kind: str = "",
    ) -> Html:
        """A table under its caption; it can be scrolled where it is wider than the page.

        Args:
            caption: what is in it: what n is, and how its intervals were made.
            head: one cell a column.
            rows: cells as text or HTML; the first of each is its head.
            words: columns that are not numbers, and so are not aligned to the right.
            kind: of table, for the style.
        """
        self.tables += 1
        title = _caption("figcaption", f"Table {self.tables}.", caption)
        kinds = ["word" if place in words else "number" for place in range(len(head))]
        heads = joined(*(element("th", cell, scope="col", class_=kinds[place]) for place, cell in enumerate(head)))
        lines = joined(*(_row(row, kinds) for row in rows))
        grid = element("table", element("thead", element("tr", heads)), element("tbody", lines))
        wide = element("div", grid, class_="wide", tabindex=0, role="region", aria_label=f"Table {self.tables}")
        return element("figure", title, wide, class_=f"table {kind}".strip(), id=f"table-{self.tables}")

    def figure(self, caption: str, content: Html, *, kind: str = "plot") -> Html:
        """A figure above its caption; a gallery, which may be long, below it."""
        self.figures += 1
        title = _caption("figcaption", f"Figure {self.figures}.", caption)
        held = element("div", content, class_="wide", tabindex=0, role="region", aria_label=f"Figure {self.figures}")
        parts = (title, held) if kind == "gallery" else (held, title)
        return element("figure", *parts, class_=kind, id=f"figure-{self.figures}")


def _caption(tag: str, label: str, text: str) -> Html:
    return element(tag, element("b", label), " ", text)


def _row(cells: Sequence[str], kinds: Sequence[str]) -> Html:
    first, *others = cells
    written = [element("th", first, scope="row", class_=kinds[0])]
    written += [element("td", cell, class_=kind) for cell, kind in zip(others, kinds[1:], strict=True)]
    return element("tr", *written)


def folded(summary: str, *content: str) -> Html:
    """Something long that is shown when it is asked for, and printed."""
    return element("details", element("summary", summary), *content)


def note(*content: str, kind: str = "note") -> Html:
    """A box: `note`, or `warning`."""
    return element("div", *content, class_=f"box {kind}")


def bullets(items: Iterable[str]) -> Html:
    """A list."""
    return element("ul", *(element("li", item) for item in items))


def pairs(items: Iterable[tuple[str, str]]) -> Html:
    """Names and what they stand for."""
    return element("dl", *(_pair(name, value) for name, value in items))


def is_long(name: str, value: str) -> bool:
    """Whether a pair needs a line of its own."""
    return len(name) + len(value) > 28


def _pair(name: str, value: str) -> Html:
    cells = element("dt", name), element("dd", value)
    return element("div", *cells, class_="long" if is_long(name, value) else None)
