"""HTML made so that nothing can be forgotten: text is escaped unless it is HTML already, and every tag is closed."""

from __future__ import annotations

import html
import re

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_VOID = frozenset({"meta", "img", "br"})


class Html(str):
    """Text that is HTML. Whatever is joined to it otherwise than by these functions is text again, and is escaped."""

    __slots__ = ()


def readable(text: str) -> str:
    """A name from a file, with a mark in the place of each character that HTML, UTF-8 or a plot cannot hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def escaped(text: str) -> Html:
    """Text as HTML; HTML as it is."""
    return text if isinstance(text, Html) else Html(html.escape(readable(text)))


def joined(*parts: str) -> Html:
    """HTML one after the other."""
    return Html("".join(escaped(part) for part in parts))


def element(tag: str, *children: str, **attributes: str | int | bool | None) -> Html:
    """An element around its children.

    Args:
        tag: its name.
        children: HTML, or text, which is escaped.
        attributes: their values are escaped; True stands for the name alone, None and False leave it out. An underscore
            at the end of a name is cut off (`class_`), another becomes a hyphen.
    """
    written = []
    for key, value in attributes.items():
        name = key.rstrip("_").replace("_", "-")
        if value is True:
            written.append(f" {name}")
        elif value is not None and value is not False:
            written.append(f' {name}="{escaped(str(value))}"')
    opening = f"<{tag}{''.join(written)}>"
    return Html(opening) if tag in _VOID else Html(f"{opening}{joined(*children)}</{tag}>")


def paragraph(*children: str, class_: str | None = None) -> Html:
    """A paragraph."""
    return element("p", *children, class_=class_)


def with_code(text: str) -> Html:
    """Text in which `backticks` mark what is to be typed."""
    parts = text.split("`")
    return joined(*(code(part) if place % 2 else part for place, part in enumerate(parts)))


def code(text: str) -> Html:
    """Something to be typed, or a name from a file."""
    return element("code", text)
