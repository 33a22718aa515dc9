"""What a component is, in words: its docstring and its fields with type, default and meaning, read from the class."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from typing import Any

from robustkit.components.component import Component
from robustkit.components.fields import describe, field_types


@dataclass(frozen=True)
class FieldDescription:
    """One field of a component or of a recipe's section."""

    name: str
    type: str
    """In a recipe writer's words, with the range: 'a number of at least 0'."""
    required: bool
    default: Any
    """As plain data, short (a component with its own defaults is its name); None also where the field is required."""
    doc: str
    """What the string under the field says; empty where there is none."""


@dataclass(frozen=True)
class ComponentDescription:
    """A component class in words."""

    kind: str
    name: str
    doc: str
    fields: tuple[FieldDescription, ...]

    @property
    def summary(self) -> str:
        """The first sentence of the docstring."""
        return first_sentence(self.doc)


def describe_component(cls: type[Component]) -> ComponentDescription:
    """The class in words; a class whose source cannot be read merely lacks its fields' docs."""
    return ComponentDescription(cls.kind, cls.name, own_doc(cls), describe_fields(cls))


def describe_fields(cls: type) -> tuple[FieldDescription, ...]:
    """The fields of a component or a recipe's section, in the order of the constructor."""
    types, docs = field_types(cls), field_docs(cls)
    return tuple(
        FieldDescription(
            name=field.name,
            type=describe(types[field.name]),
            required=field.default is MISSING and field.default_factory is MISSING,
            default=_default(field),
            doc=docs.get(field.name, ""),
        )
        for field in fields(cls)
    )


def own_doc(cls: type) -> str:
    """The docstring written in the class; empty where there is none (dataclasses make one up from the signature)."""
    doc = inspect.cleandoc(cls.__doc__ or "")
    return "" if doc.startswith(f"{cls.__name__}(") else doc


def first_sentence(text: str) -> str:
    """A text up to its first full stop that ends a sentence, on one line."""
    line = " ".join(text.split("\n\n")[0].split())
    for place, character in enumerate(line):
        ends = character == "." and line[place + 1 : place + 2] in ("", " ")
        if ends and line[:place].rpartition(" ")[2].lower() not in ("e.g", "i.e", "al", "vs", "etc", "cf"):
            return line[: place + 1]
    return line


def field_docs(cls: type) -> dict[str, str]:
    """The strings that stand under the fields, of the class and of those it inherits from."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        docs |= _docs_in(base)
    return docs


@cache
def _docs_in(cls: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):  # built in, or made at run time: there is no source to read
        return {}
    body = tree.body[0].body if tree.body and isinstance(tree.body[0], ast.ClassDef) else []
    docs = {}
    for statement, below in zip(body, body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else None
            if isinstance(text, str):
                docs[statement.target.id] = inspect.cleandoc(text)
    return docs


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return concise(field.default)
    return concise(field.default_factory()) if field.default_factory is not MISSING else None


def concise(value: Any) -> Any:
    """A value as a recipe would hold it, without the fields that are at their defaults anyway."""
    if isinstance(value, Component):
        changed = {}
        for field in fields(value):
            here = concise(getattr(value, field.name))
            required = field.default is MISSING and field.default_factory is MISSING
            if required or here != _default(field):
                changed[field.name] = here
        for only in changed.values() if len(changed) == 1 else ():
            if type(value).shorthand(only) == value:
                return only
        return {"use": value.name, **changed} if changed else value.name
    if isinstance(value, Mapping):
        return {key: concise(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [concise(item) for item in value]
    return value


def brief(value: Any) -> str:
    """A component or value on one line: `pgd(eps=0.2, steps=7)`, with the fields that are not at their defaults."""
    return _written(concise(value))


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        name = value.get("use")
        if isinstance(name, str):
            return f"{name}({', '.join(f'{key}={_written(item)}' for key, item in value.items() if key != 'use')})"
        return "{" + ", ".join(f"{_written(key)}: {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
