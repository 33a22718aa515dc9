"""A run whose page is looked at, and a reader of pages that trusts nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

SMALL = """\
# A run of two seconds that learns something, with everything a page can show.
name: small
epochs: 4
batch_size: 32
train_examples: 600
validation_examples: 60
dataset: digits
architecture: {use: small-cnn, width: 6}
learners:
  natural:
    strategy: natural
    optimizer: {use: sgd, lr: 0.05, momentum: 0.9}
  robust:
    strategy: {use: adversarial, attack: {use: pgd, eps: 0.1, steps: 2}}
    optimizer: {use: sgd, lr: 0.05, momentum: 0.9}
aggregator: {use: generalist, mix: {robust: 0.5}, decay: 0.5, every_epochs: 2}
evaluation:
  test_examples: 120
  every_epochs: 2
  attacks: {pgd-1: {use: pgd, eps: 0.1, steps: 1}}
  final_attacks:
    pgd-3: {use: pgd, eps: 0.2, steps: 3}
    noise: {use: noise, eps: 0.2}
  manner: {keep_images: true}
"""

Reported = Callable[..., tuple[int, str]]
"""`reported(folder, "--force")`: the command's exit code and what it printed."""
_VOID = {"meta", "img", "br"}


@dataclass
class Table:
    """A table's cells as text, its head first, and its caption."""

    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)


class Page(HTMLParser):
    """A page taken apart. It refuses tags that are not closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.images: list[dict[str, str]] = []
        self.tables: list[Table] = []
        self.text = ""
        self._caption = ""
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append(Table(self._caption.strip()))
        elif tag == "tr":
            self.tables[-1].rows.append([])
        elif tag in ("td", "th"):
            self.tables[-1].rows[-1].append("")
        elif tag == "figcaption":
            self._caption = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "figcaption" in self.open:
            self._caption += data
        if self.open and ("td" in self.open or "th" in self.open):
            self.tables[-1].rows[-1][-1] += data

    def table(self, words: str) -> Table:
        """The only table whose caption has these words."""
        (found,) = [table for table in self.tables if words in table.caption]
        return found

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = {key: value or "" for key, value in attrs}
        assert len(named) == len(attrs), f"{tag} has an attribute twice"
        self.ids += [named["id"]] if "id" in named else []
        self.links += [value for key, value in named.items() if key in ("href", "src", "xlink:href", "action", "data")]
        if tag == "img":
            self.images.append(named)


def changed(path: Path, change: Callable[[Any], None]) -> None:
    """Change a JSON file in place."""
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data), encoding="utf-8")
