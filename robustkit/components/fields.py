"""From annotations to checked values: the one door for YAML, overrides and Python arguments.

Structure (sections, lists, mappings, unions, nested components) follows the annotations; single values are pydantic's.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from robustkit.errors import ComponentError, Path, Problem, did_you_mean, known

Positive: TypeAlias = Annotated[float, Gt(0)]
NonNegative: TypeAlias = Annotated[float, Ge(0)]
Share: TypeAlias = Annotated[float, Ge(0), Le(1)]
Decay: TypeAlias = Annotated[float, Ge(0), Lt(1)]
PositiveInt: TypeAlias = Annotated[int, Ge(1)]
NonNegativeInt: TypeAlias = Annotated[int, Ge(0)]

Build: TypeAlias = Callable[[type, Any, Path], tuple[Any, list[Problem]]]
"""Makes a component of a kind from plain data; the recipe's builder hands one in, Python arguments need none."""

_BOUNDS: Mapping[type, str] = {Ge: "of at least", Gt: "above", Le: "of at most", Lt: "below"}
_WORD = re.compile(r"[A-Za-z][\w.-]*")
_FRACTION = re.compile(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*/\s*([\d.]+(?:[eE][-+]?\d+)?)\s*")


@cache
def field_types(cls: Any) -> dict[str, Any]:
    """The annotations of a dataclass, with `Annotated` kept."""
    return get_type_hints(cls, include_extras=True)


def number(text: str) -> float | int | None:
    """`8/255`, `5e-4` or `12` as a number, or None where the text is none. Nothing is evaluated."""
    fraction = _FRACTION.fullmatch(text)
    try:
        if fraction:
            return float(fraction[1]) / float(fraction[2])
        value = float(text)
    except (ValueError, ZeroDivisionError):
        return None
    whole = math.isfinite(value) and text.strip().lstrip("+-").isdigit()
    return int(text) if whole else value


def convert(annotation: Any, value: Any, path: Path, build: Build | None = None) -> tuple[Any, list[Problem]]:
    """`value` as the annotation asks, and what is wrong with it; with problems the returned value means nothing."""
    bare, constraints = _bare(annotation)
    origin = get_origin(bare)
    if origin in (Union, types.UnionType):
        return _union(bare, constraints, value, path, build)
    if origin in (tuple, list, Sequence) or bare in (tuple, list):
        return _sequence(bare, value, path, build)
    if origin in (Mapping, dict) or isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(bare, value, path, build)
    if is_component(bare):
        return _component(bare, constraints, value, path, build)
    if isinstance(bare, type) and is_dataclass(bare):
        return (value, []) if isinstance(value, bare) else section(bare, value, path, build)
    return _leaf(annotation, bare, value, path)


def section(cls: type, value: Any, path: Path, build: Build | None = None) -> tuple[Any, list[Problem]]:
    """A dataclass from a mapping of its fields: unknown, missing and wrong ones are all reported."""
    if not isinstance(value, Mapping):
        return None, [Problem(path, f"expected {_listing(cls)}, got {shown(value)}.")]
    hints, problems, arguments = field_types(cls), [], {}
    names = [field.name for field in fields(cls)]
    for key in value:
        if key not in names:
            text = f"unknown key {key!r}.{did_you_mean(str(key), names)} {known(names)}"
            problems.append(Problem((*path, key), text, on_key=True))
    missing = []
    for field in fields(cls):
        if field.name in value:
            arguments[field.name], found = convert(hints[field.name], value[field.name], (*path, field.name), build)
            problems += found
        elif field.default is MISSING and field.default_factory is MISSING:
            missing.append(repr(field.name))
    if missing:
        have = "which has no default" if len(missing) == 1 else "which have no defaults"
        listed = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        problems.append(Problem(path, f"needs {listed}, {have}."))
    if problems:
        good = {name: value for name, value in arguments.items() if not _touches(problems, (*path, name))}
        among = cls.problems_among(good, value) if hasattr(cls, "problems_among") else ()
        return None, problems + [problem.below(path) for problem in among]
    try:
        return cls(**arguments), []
    except ComponentError as error:
        return None, [problem.below(path) for problem in error.problems]
    except (ValueError, TypeError) as error:  # how a plugin's own `__post_init__` would naturally refuse a value
        return None, [Problem(path, f"{getattr(cls, 'name', cls.__name__)} refuses this: {error}")]


def _touches(problems: Sequence[Problem], path: Path) -> bool:
    return any(problem.path[: len(path)] == path for problem in problems)


def is_component(annotation: Any) -> bool:
    """Whether the annotation is a component class (told by its `kind`, which only components have)."""
    return isinstance(annotation, type) and hasattr(annotation, "shorthand") and hasattr(annotation, "kind")


def shown(value: Any) -> str:
    """A value as an error message shows it: short, and as a recipe writes it."""
    if value is None or isinstance(value, bool):
        return {None: "nothing (null)", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _bare(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(annotation) is Annotated:
        bare, *constraints = get_args(annotation)
        return bare, tuple(constraints)
    return annotation, ()


def _fits(annotation: Any, value: Any) -> bool:
    """Whether the value has the outer shape of this alternative of a union."""
    bare, _ = _bare(annotation)
    origin = get_origin(bare)
    if value is None or bare is types.NoneType:
        return value is None and bare is types.NoneType
    if is_component(bare):
        return isinstance(value, bare | Mapping) or isinstance(value, str) and bool(_WORD.fullmatch(value))
    if origin in (tuple, list, Sequence):
        return isinstance(value, list | tuple)
    if origin in (Mapping, dict):
        return isinstance(value, Mapping)
    if isinstance(bare, type) and is_dataclass(bare):
        return isinstance(value, bare | Mapping)
    if origin is Literal:
        return value in get_args(bare)
    if bare in (int, float):
        figure = number(value) if isinstance(value, str) else value
        wanted = int | float if bare is float or isinstance(figure, float) and figure.is_integer() else int
        return isinstance(figure, wanted) and not isinstance(figure, bool)
    return isinstance(bare, type) and isinstance(value, bare)


def _union(
    annotation: Any, constraints: tuple[Any, ...], value: Any, path: Path, build: Build | None
) -> tuple[Any, list[Problem]]:
    alternatives = get_args(annotation)
    fitting = [alternative for alternative in alternatives if _fits(alternative, value)]
    if not fitting:
        wanted = describe(Annotated[(annotation, *constraints)] if constraints else annotation)
        return None, [Problem(path, f"expected {wanted}, got {shown(value)}.")]
    chosen = fitting[0]
    if constraints and chosen is not types.NoneType:
        chosen = Annotated[(chosen, *constraints)]
    return convert(chosen, value, path, build)


def _sequence(annotation: Any, value: Any, path: Path, build: Build | None) -> tuple[Any, list[Problem]]:
    arguments = get_args(annotation) or (Any, ...)
    if not isinstance(value, list | tuple):
        return None, [Problem(path, f"expected {describe(annotation)}, got {shown(value)}.")]
    fixed = get_origin(annotation) is tuple and arguments[-1] is not Ellipsis
    if fixed and len(value) != len(arguments):
        return None, [Problem(path, f"expected {len(arguments)} entries, got {len(value)}: {shown(value)}.")]
    item_types = arguments if fixed else [arguments[0]] * len(value)
    converted = [
        convert(kind, item, (*path, i), build) for i, (kind, item) in enumerate(zip(item_types, value, strict=True))
    ]
    return tuple(item for item, _ in converted), [problem for _, found in converted for problem in found]


def _mapping(annotation: Any, value: Any, path: Path, build: Build | None) -> tuple[Any, list[Problem]]:
    key_type, value_type = get_args(annotation) or (str, Any)
    if not isinstance(value, Mapping):
        return None, [Problem(path, f"expected {describe(annotation)}, got {shown(value)}.")]
    result, problems = {}, []
    for key, item in value.items():
        converted_key, found = convert(key_type, key, (*path, key), build)
        problems += [Problem(problem.path, problem.message, on_key=True) for problem in found]
        result[converted_key if not found else key], found = convert(value_type, item, (*path, key), build)
        problems += found
    return result, problems


def _component(
    kind: type, constraints: tuple[Any, ...], value: Any, path: Path, build: Build | None
) -> tuple[Any, list[Problem]]:
    problems: list[Problem] = []
    written = value
    if not isinstance(value, kind):
        stands_for = cast(Any, kind).shorthand
        try:
            short = stands_for(value)
        except ComponentError as error:
            return None, [problem.below(path) for problem in error.problems]
        if short is not None:
            value = short
        elif build is not None:
            value, problems = build(kind, value, path)
        else:
            return None, [Problem(path, f"expected {describe(kind)}, got {shown(value)}.")]
    if constraints and not problems and hasattr(value, "extremes"):
        points = written if isinstance(written, Mapping) and "use" not in written else {}
        extremes = [((*path, key), point) for key, point in points.items()] or [(path, v) for v in value.extremes()]
        for place, extreme in extremes:
            problems += _leaf(Annotated[(float, *constraints)], float, extreme, place)[1]
    return value, problems


def _leaf(annotation: Any, bare: Any, value: Any, path: Path) -> tuple[Any, list[Problem]]:
    if bare in (int, float) and isinstance(value, str):
        parsed = number(value)
        value = value if parsed is None else parsed
    if bare is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None, [Problem(path, f"expected a finite number, got {value}.")]
    if bare is int and isinstance(value, int) and abs(value) >= 2**63:
        return None, [Problem(path, f"expected {describe(annotation)} and below 2**63, got {shown(value)}.")]
    try:
        return _adapter(annotation).validate_python(value, strict=True), []
    except PydanticUserError as error:
        text = f"the component declares this field as {bare!r}, which no plain value can be checked against: {error}"
        return None, [Problem(path, text.splitlines()[0])]
    except ValidationError as error:
        known_range = all(type(constraint) in _BOUNDS for constraint in _bare(annotation)[1])
        wanted = f"expected {describe(annotation)}" if known_range else error.errors()[0]["msg"]
        hint = did_you_mean(str(value), map(str, get_args(bare))) if get_origin(bare) is Literal else ""
        if bare is str and isinstance(value, bool | int | float):
            hint = " Put it in quotes, so that YAML reads it as text."
        return None, [Problem(path, f"{wanted}, got {shown(value)}.{hint}")]


_adapters: dict[str, TypeAdapter[Any]] = {}


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    key = f"{annotation!r}"
    if key not in _adapters:
        _adapters[key] = TypeAdapter(annotation)
    return _adapters[key]


def describe(annotation: Any) -> str:
    """The annotation in a recipe writer's words: 'a number above 0', 'a list of augmentations', 'an attack'."""
    bare, constraints = _bare(annotation)
    origin, arguments = get_origin(bare), get_args(bare)
    if origin in (Union, types.UnionType):
        parts = [Annotated[(part, *constraints)] if constraints else part for part in arguments]
        return " or ".join(dict.fromkeys(map(describe, parts)))
    if origin in (tuple, list, Sequence):
        return f"a list [{', '.join(describe(a) if a is not Ellipsis else '...' for a in arguments)}]"
    if origin in (Mapping, dict):
        return f"a mapping of {describe(arguments[0])} to {describe(arguments[1])}" if arguments else "a mapping"
    if origin is Literal:
        return " or ".join(repr(argument) for argument in arguments)
    if is_component(bare):
        kind, form = cast(Any, bare).kind, cast(Any, bare).form
        return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind} ({form})"
    if bare in (int, float):
        return f"{'a whole number' if bare is int else 'a number'}{_range(constraints)}"
    plain = {str: "text", bool: "true or false", types.NoneType: "null"}
    return plain.get(bare) or (_listing(bare) if is_dataclass(bare) and isinstance(bare, type) else "a value")


def _range(constraints: tuple[Any, ...]) -> str:
    """' from 0 to 1', ' above 0', ' of at least 0 and below 1'; nothing where there is no limit."""
    limits = [limit for limit in constraints if type(limit) in _BOUNDS]
    if [type(limit) for limit in limits] == [Ge, Le]:
        return f" from {limits[0].ge:g} to {limits[1].le:g}"
    bounds = [f" {_BOUNDS[type(limit)]} {getattr(limit, type(limit).__name__.lower()):g}" for limit in limits]
    return " and".join(bounds)


def _listing(cls: type) -> str:
    return "a mapping with the keys " + ", ".join(field.name for field in fields(cls))
