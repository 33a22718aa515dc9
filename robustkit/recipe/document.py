"""A YAML text with the place of every word in it, and overrides laid over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import yaml

from robustkit.components.fields import number, shown
from robustkit.errors import InputError, Path, Problem, dotted

_MOST_NODES = 20_000  # aliases of aliases could otherwise fill the memory
_DEEPEST = 100  # deeper nesting would exhaust Python's stack somewhere, without a place to show
_WIDEST = 160  # columns of a line that a message shows
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TEXT = {f"{_TAG}{name}" for name in ("str", "timestamp", "value", "merge")}  # read as written: a recipe has no dates
_PLAIN = _TEXT | {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "seq", "map")}


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
        start = max(0, self.column - _WIDEST // 2) if len(self.text) > _WIDEST else 0
        line = self.text[start : start + _WIDEST]
        shown = "".join(letter if letter.isprintable() else " " for letter in line)  # a tab is one column, too
        before = self.column - 1 - start
        underline = " " * before + "^" * max(1, min(self.length, len(line) - before))
        head = f"{self.source}:{self.line}:{self.column}: {problem}"
        return f"{head}\n  {number} | {shown}\n  {margin} | {underline}"


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

    def forget(self, path: Path) -> None:
        """Drop the places of what was written at this path and below: something else stands there now."""
        for places in (self.values, self.keys):
            for gone in [known for known in places if known[: len(path)] == path]:
                del places[gone]

    def show(self, problem: Problem) -> str:
        """The problem with its place."""
        place = self.place(problem)
        return place.show(problem) if place else f"{self.source}: {problem}"


def parse(text: str, source: str) -> Document:
    """Read YAML as plain data only, noting the place of every word.

    What cannot be read, and every repeated key, becomes a problem of the document.
    """
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
    except _RefusedError as error:
        _unreadable(document, lines, error.node.start_mark, str(error))
    except yaml.MarkedYAMLError as error:
        _unreadable(document, lines, error.problem_mark or error.context_mark, f"this is not YAML: {_reason(error)}.")
    except yaml.reader.ReaderError as error:
        up_to = f"{text[: error.position]}.".splitlines()
        mark = yaml.Mark(source, error.position, len(up_to) - 1, len(up_to[-1]) - 1, None, 0)
        _unreadable(document, lines, mark, f"this is not YAML: the character U+{error.character:04X} is not allowed.")
    except RecursionError:
        _unreadable(document, lines, None, f"this is nested deeper than {_DEEPEST} levels.")
    return document


def _unreadable(document: Document, lines: Sequence[str], mark: yaml.Mark | None, message: str) -> None:
    line = min(mark.line, len(lines) - 1) if mark else 0
    column = 1 if mark is None else mark.column + 1 if mark.line < len(lines) else len(lines[line]) + 1
    document.values[()] = Place(document.source, line + 1, column, 1, lines[line])
    document.problems.append(Problem((), message))


def _reason(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML found, with where the section began that it was reading."""
    context, began, found = error.context, error.context_mark, error.problem_mark
    if context and began and found and began.line != found.line and context.startswith("while"):
        context = f"{context} that starts in line {began.line + 1}"
    hints = {"'\\t'": ". Indent with spaces", "<block end>": ". Indent it as its neighbours"}
    hint = next((hints[word] for word in hints if word in (error.problem or "")), "")
    return ", ".join(part for part in (context, error.problem) if part) + hint


class _RefusedError(Exception):
    """YAML that a recipe must not contain."""

    def __init__(self, node: yaml.Node, message: str) -> None:
        self.node = node
        super().__init__(message)


class _Reader:
    """Walks composed nodes into plain data, noting places."""

    def __init__(self, document: Document, loader: yaml.SafeLoader, lines: Sequence[str]) -> None:
        self.document, self.loader, self.lines, self.count = document, loader, lines, 0

    def read(self, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Any:
        """The node's data; `above` are the nodes around it."""
        self.count += 1
        if self.count > _MOST_NODES:
            raise _RefusedError(node, f"with all its aliases this has more than {_MOST_NODES} entries.")
        if node in above:
            raise _RefusedError(node, "this section contains itself, through an alias.")
        if len(above) > _DEEPEST:
            raise _RefusedError(node, f"this is nested deeper than {_DEEPEST} levels.")
        if node.tag not in _PLAIN:
            tag = f"!!{node.tag.removeprefix(_TAG)}" if node.tag.startswith(_TAG) else node.tag
            raise _RefusedError(node, f"the tag {tag} is refused: a recipe is plain data.")
        self.document.values[path] = self._place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index), (*above, node)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]) -> dict[Any, Any]:
        data = self._merged(node, path, above)
        written: dict[Any, list[int]] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self._scalar(key_node) if key_node.tag in _PLAIN else None
            if not isinstance(key, str | int | float):
                raise _RefusedError(key_node, "a key must be one word or number.")
            written.setdefault(key, []).append(key_node.start_mark.line + 1)
            if key in data:
                self.document.forget((*path, key))
            data[key] = self.read(value_node, (*path, key), above)
            place = self.document.keys[(*path, key)] = self._place(key_node)
            if isinstance(value_node, yaml.CollectionNode) and not value_node.flow_style:
                self.document.values[(*path, key)] = place  # of a section in lines of its own, its head is the place
        for key, lines in written.items():
            if len(lines) > 1:
                count = "twice" if len(lines) == 2 else f"{len(lines)} times"
                text = f"this key stands {count} in one section; first in line {lines[0]}."
                self.document.problems.append(Problem((*path, key), text, on_key=True))
        return data

    def _merged(self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]) -> dict[Any, Any]:
        """What `<<: *name` brings into a section: as if written there, but what the section itself says goes first."""
        place = self.document.values[path]
        data: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in reversed(sources):  # of several, the first goes first
                    if not isinstance(source, yaml.MappingNode):
                        raise _RefusedError(source, "expected a section, or a list of sections, to merge with '<<'.")
                    data |= self.read(source, path, above)
        self.document.values[path] = place
        return data

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag in _TEXT:
            return node.value
        try:
            return self.loader.construct_object(node, deep=True)
        except (ValueError, KeyError, OverflowError) as error:
            text = node.value if len(node.value) <= 40 else f"{node.value[:37]}..."
            kind = node.tag.removeprefix(_TAG)
            raise _RefusedError(node, f"expected {kind}, got {text!r}, which cannot be read as such.") from error

    def _place(self, node: yaml.Node) -> Place:
        start, end = node.start_mark, node.end_mark
        line = min(start.line, len(self.lines) - 1)  # an empty document stands behind the last line
        text = self.lines[line]
        length = end.column - start.column if end.line == start.line else len(text.rstrip()) - start.column
        return Place(self.document.source, line + 1, start.column + 1, max(length, 1), text)


def override(document: Document, word: str) -> None:
    """Lay one `path=value` word over the document; the value is YAML, and problems with it point at the word.

    Raises:
        InputError: the word has no path, or the path leads through something that has no keys.
    """
    dotted_path, equals, text = word.partition("=")
    steps = dotted_path.replace("[", ".").replace("]", "").split(".")
    if not equals or not all(steps):
        raise InputError(
            f"override {word!r}: expected path=value, for example seed=2 or learners.natural.optimizer.lr=0.1."
        )
    value = parse(text, "override")
    if value.problems:
        raise InputError(f"override {word!r}: {value.problems[0].message}")
    holder, path = _holder(document, steps, word)
    key = _step_in(holder, steps[-1])
    holder[key] = value.data
    here, ahead = (*path, key), len(dotted_path) + 1
    document.forget(here)
    document.values[here] = Place("override", 1, ahead + 1, max(1, len(text)), word)
    document.keys[here] = Place("override", 1, 1, len(dotted_path), word)
    for places, of_value in ((document.values, value.values), (document.keys, value.keys)):
        for below, place in of_value.items():
            if below:
                places[*here, *below] = replace(place, column=place.column + ahead, text=word)


def _step_in(holder: Any, step: str) -> Any:
    """A path's step as the key that the holder knows: a place in a list, a number among numbers, else the word."""
    if isinstance(holder, list):
        return int(step)
    value = number(step)
    return value if step not in holder and value in holder else step


def _holder(document: Document, steps: list[str], word: str) -> tuple[Any, Path]:
    """What holds the last step of an override's path; sections that are missing on the way are made."""
    if document.data is None:
        document.data = {}
    here: Any = document.data
    path: Path = ()
    for index, step in enumerate(steps):
        name = dotted(path) or "the recipe"
        if not isinstance(here, Mapping | list):
            raise InputError(f"override {word!r}: {name} is {shown(here)}, it has no key {step!r}.")
        if isinstance(here, list) and not (step.isdecimal() and int(step) < len(here)):
            raise InputError(f"override {word!r}: {name} is a list of {len(here)}, {step!r} is none of its places.")
        if index == len(steps) - 1:
            break
        key = _step_in(here, step)
        below = here[key] if isinstance(here, list) else here.get(key)
        if below is None or isinstance(below, str):
            below = {} if below is None else {"use": below}
            cast(Any, here)[key] = below
            written = Place("override", 1, 1, word.index("="), word)
            document.keys.setdefault((*path, key), written)
            document.values.setdefault((*path, key), written)
        here, path = below, (*path, key)
    return here, path
