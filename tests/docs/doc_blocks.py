"""The code blocks of a Markdown page, with those of the files it includes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"(?P<fence>`{3,}|~{3,}|:{3,})(?P<info>.*)")
OPTION = re.compile(r":(?P<name>[\w-]+):\s*(?P<value>.*)")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str
    words: frozenset[str] = frozenset()
    """Further words of a plain fence's info string, or the classes of a code-block directive."""
    caption: str = ""
    """The file that the block is shown as."""
    card: bool = False
    """Whether it comes from a plugin's method card, which is included."""
    options: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line} ({self.language or 'plain'})"


def blocks(page: Path, *, card: bool = False) -> Iterator[Block]:
    """Every block of the page in order; included Markdown and Python files come as blocks where they are included."""
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        opening = FENCE.fullmatch(lines[number].strip())
        if not opening:
            number += 1
            continue
        start = number
        while number + 1 < len(lines) and lines[number + 1].strip() != opening["fence"]:
            number += 1
        yield from _block(page, start, opening["info"].strip(), lines[start + 1 : number + 1], card)
        number += 2


def _block(page: Path, start: int, info: str, body: list[str], card: bool) -> Iterator[Block]:
    name, _, rest = info.partition(" ")
    options: dict[str, str] = {}
    if name.startswith("{"):
        while body and (option := OPTION.fullmatch(body[0].strip())):
            options[option["name"]] = option["value"]
            body = body[1:]
    text = "\n".join(body).strip("\n") + "\n"
    words = frozenset([*rest.split(), *options.get("class", "").split()])
    if name == "{include}":
        yield from blocks((page.parent / rest).resolve(), card=(page.parent / rest).name == "README.md")
    elif name == "{literalinclude}":
        if "caption" in options:
            text = (page.parent / rest).read_text(encoding="utf-8")
            language = options.get("language", "")
            yield Block(page, start + 1, language, text, words, options["caption"], card, options)
    elif name == "{code-block}":
        yield Block(page, start + 1, rest.strip(), text, words, options.get("caption", ""), card, options)
    elif not name.startswith("{"):
        yield Block(page, start + 1, name, text, words, "", card, options)
