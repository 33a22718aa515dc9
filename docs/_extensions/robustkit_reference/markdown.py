"""Pieces of Markdown that the generated reference is written from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A section of a page: what links to it name, its title (Markdown), and its text (Markdown without headings)."""

    anchor: str
    title: str
    text: str


def fenced(language: str, text: str) -> str:
    """A code block."""
    return f"````{{code-block}} {language}\n\n{text.rstrip()}\n````\n"


def code(text: str) -> str:
    """Text as inline code."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def cell(text: str) -> str:
    """Text that fits into one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], name: str) -> str:
    """A table whose look the stylesheet knows by `name`."""
    lines = [head, ["---"] * len(head), *rows]
    written = "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines)
    return f"{{.{name}}}\n{written}\n"
