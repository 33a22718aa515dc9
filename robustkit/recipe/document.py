"""A YAML text with the place of every word in it, and overrides laid over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from robustkit.errors import InputError, Path, Problem, dotted

_MOST_NODES = 100_000  # aliases of aliases could otherwise fill the memory


@dataclass(frozen=True)
class Place:
    """Where something was written: a source, its line, and the columns (from 1) of the word."""

    source: str
    line: int
    column: int
    length: int
    text: str

    def show(self, problem: Problem) -> str:
        """The problem as `source:line:column: path: message`, with the line itself and the word underlined."""
        number = str(self.line)
        margin = " " * len(number)
        underline = " " * (self.column - 1) + "^" * max(1, min(self.length, len(self.text) - self.column + 1))
        head = f"{self.source}:{self.line}:{self.column}: {problem}"
        return f"{head}\n  {number} | {self.text}\n  {margin} | {underline}"


@dataclass
class Document:
    """Plain data (mappings, lists, numbers, text) and the places of its keys and values by path."""

    source: str
    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, problem: Problem) -> Place | None:
        """The nearest place that was really written: the key or value itself, else the section around it."""
        path = problem.path
        if problem.on_key and path in self.keys:
            return self.keys[path]
        while path not in self.values:
            if not path:
                return None
            path = path[:-1]
        return self.values[path] if path == problem.path or not path else self.keys.get(path, self.values[path])

    def show(self, problem: Problem) -> str:
        """The problem with its place."""
        place = self.place(problem)
        return place.show(problem) if place else f"{self.source}: {problem}"


def parse(text: str, source: str) -> Document:
    """Read YAML as plain data only; every repeated key and unreadable value becomes a problem of the document."""
    document = Document(source)
    lines = text.splitlines() or [""]
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            if root is not None:
                document.data = _Reader(document, loader, lines).read(root, (), ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line, len(lines) - 1) if mark else 0
        column = mark.column + 1 if mark and mark.line < len(lines) else len(lines[line]) + 1
        document.values[()] = Place(source, line + 1, column, 1, lines[line])
        document.problems.append(Problem((), f"this is not YAML: {error.problem or error}."))
    except (yaml.YAMLError, RecursionError) as error:
        document.problems.append(Problem((), f"this is not YAML: {error}."))
    return document


class _Reader:
    """Walks composed nodes into plain data, noting places."""

    def __init__(self, document: Document, loader: yaml.SafeLoader, lines: Sequence[str]) -> None:
        self.document, self.loader, self.lines, self.count = document, loader, lines, 0

    def read(self, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Any:
        self.count += 1
        if node in above or self.count > _MOST_NODES:
            raise yaml.MarkedYAMLError(
                problem="an alias that contains itself, or far too many", problem_mark=node.start_mark
            )
        self.document.values[path] = self._place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index), (*above, node)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]) -> dict[Any, Any]:
        written: dict[Any, yaml.Node] = {}
        for key_node, _ in node.value:
            key = self._scalar(key_node)
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key, str | int | float):
                raise yaml.MarkedYAMLError(problem="a key must be one word or number", problem_mark=key_node.start_mark)
            if key in written:
                first = written[key].start_mark.line + 1
                problem = Problem(
                    (*path, key), f"this key stands twice in one section; first in line {first}.", on_key=True
                )
                self.document.problems.append(problem)
            written[key] = key_node
        self.loader.flatten_mapping(node)
        data = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node)
            self.document.keys[(*path, key)] = self._place(key_node)
            data[key] = self.read(value_node, (*path, key), above)
        return data

    def _scalar(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        return self.loader.construct_object(node, deep=True)

    def _place(self, node: yaml.Node) -> Place:
        start, end = node.start_mark, node.end_mark
        text = self.lines[min(start.line, len(self.lines) - 1)]
        length = end.column - start.column if end.line == start.line else len(text.rstrip()) - start.column
        return Place(self.document.source, start.line + 1, start.column + 1, max(length, 1), text)


def override(document: Document, word: str) -> None:
    """Lay one `path=value` word over the document; the value is YAML, and problems with it point at the word.

    Raises:
        InputError: the word has no path, or the path leads through something that has no keys.
    """
    dotted_path, equals, text = word.partition("=")
    steps = dotted_path.replace("[", ".").replace("]", "").split(".")
    if not equals or not all(steps):
        raise InputError(
            f"override {word!r}: expected path=value, for example epochs=2 or learners.natural.optimizer.lr=0.1."
        )
    value = parse(text, "override")
    if value.problems:
        raise InputError(f"override {word!r}: the value is not YAML: {value.problems[0].message}")
    holder, path = _holder(document, steps, word)
    place = Place("override", 1, len(dotted_path) + 2, max(1, len(text)), word)
    key: Any = int(steps[-1]) if isinstance(holder, list) else steps[-1]
    holder[key] = value.data
    for places in (document.values, document.keys):
        for known in [other for other in places if other[: len(path) + 1] == (*path, key)]:
            del places[known]
    document.values[(*path, key)] = place
    document.keys[(*path, key)] = Place("override", 1, 1, len(dotted_path), word)


def _holder(document: Document, steps: list[str], word: str) -> tuple[Any, Path]:
    """What holds the last step of an override's path; sections that are missing on the way are made."""
    if document.data is None:
        document.data = {}
    here: Any = document.data
    path: Path = ()
    for index, step in enumerate(steps):
        if isinstance(here, list) and not (step.isdigit() and int(step) < len(here)):
            raise InputError(
                f"override {word!r}: {dotted(path)} is a list of {len(here)}, {step!r} is none of its places."
            )
        if not isinstance(here, Mapping | list):
            text = f"{dotted(path) or 'the recipe'} is {here!r}, it has no key {step!r}."
            raise InputError(f"override {word!r}: {text}")
        if index == len(steps) - 1:
            return here, path
        key: Any = int(step) if isinstance(here, list) else step
        below = here[key] if isinstance(here, list) else here.get(key)
        if below is None or isinstance(below, str):
            below = {} if below is None else {"use": below}
            here[key] = below
        here, path = below, (*path, key)
    raise AssertionError("an override has at least one step")
