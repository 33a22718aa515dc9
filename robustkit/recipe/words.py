"""Lists of values written in one word, on the command line."""

from __future__ import annotations

from collections.abc import Iterator


def split_outside_brackets(text: str) -> Iterator[str]:
    """The words between commas, but not between those inside brackets; nothing behind a last comma."""
    depth, start = 0, 0
    for place, character in enumerate(text):
        depth += (character in "[{(") - (character in "]})")
        if character == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    if text[start:].strip():
        yield text[start:]
