"""Docstrings are written to be read as they are; here they become what autodoc takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

import robustkit

_CODE = re.compile(r"(`+[^`]*`+)")
_ENTRY = re.compile(r"    (\w+): (.*)")
_FIELDS = {"Args:": "param", "Raises:": "raises", "Returns:": "returns"}


def restructured(app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Rewrite a docstring in place."""
    if what == "data":
        lines[:] = attribute_docstring(name)
    lines[:] = _with_fields([_with_stars(line) for line in lines])
    for number in range(len(lines) - 2):
        if lines[number].endswith(":") and not lines[number + 1].strip() and lines[number + 2].startswith("    "):
            lines[number] += ":"  # what stands indented below a colon is code


def attribute_docstring(name: str) -> list[str]:
    """The string under a public name that is no class or function, in the module that it really is in."""
    short = name.rpartition(".")[2]
    module = f"robustkit.{robustkit._HOME[short]}"
    return list(ModuleAnalyzer.for_module(module).find_attr_docs()["", short])


def _with_stars(line: str) -> str:
    """Stars outside code are stars, not emphasis."""
    return "".join(part if _CODE.fullmatch(part) else part.replace("*", "\\*") for part in _CODE.split(line))


def _with_fields(lines: list[str]) -> list[str]:
    """Sections `Args:`, `Returns:` and `Raises:` as field lists."""
    return list(_fields(lines))


def _fields(lines: list[str]) -> Iterator[str]:
    section = ""
    for line in lines:
        entry = _ENTRY.fullmatch(line)
        if line in _FIELDS:
            section = _FIELDS[line]
            if section == "returns":
                yield ":returns:"
        elif section in ("param", "raises") and entry:
            yield f":{section} {entry[1]}: {entry[2]}"
        elif section and line and not line.startswith("    "):
            section = ""
            yield line
        else:
            yield line
