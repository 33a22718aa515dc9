"""Boxes, frames and arrows as SVG text, in the page's own text colour."""

from __future__ import annotations

from html import escape


def picture(width: int, height: int, *parts: str) -> str:
    """A whole drawing."""
    head = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    tip = f'<defs>{head}<path d="M0 0 L8 4 L0 8 z" fill="currentColor"/></marker></defs>'
    style = 'font-family="sans-serif" font-size="13" fill="none" stroke="currentColor"'
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" {style}>{tip}{"".join(parts)}</svg>'


def box(x: float, y: float, width: float, height: float, text: str, *, below: str = "", tint: str = "") -> str:
    """A box with a text in its middle, and a smaller one under it."""
    fill = f'fill="{tint}" fill-opacity="0.3"' if tint else ""
    shape = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" {fill}/>'
    middle, centre = x + width / 2, y + height / 2 + 4.5
    words = label(middle, centre - (8 if below else 0), text, anchor="middle")
    return shape + words + (label(middle, centre + 9, below, anchor="middle", size=11) if below else "")


def frame(x: float, y: float, width: float, height: float, text: str) -> str:
    """A dashed frame around other shapes, its text inside at the top left."""
    shape = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" stroke-dasharray="5 4"/>'
    return shape + label(x + 12, y + 19, text, size=12)


def label(x: float, y: float, text: str, *, anchor: str = "start", size: int = 13) -> str:
    """A line of text."""
    style = f'text-anchor="{anchor}" font-size="{size}" fill="currentColor" stroke="none"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


def arrow(*points: tuple[float, float]) -> str:
    """An arrow through these points."""
    path = " ".join(f"{'L' if number else 'M'}{x} {y}" for number, (x, y) in enumerate(points))
    return f'<path d="{path}" marker-end="url(#tip)"/>'
