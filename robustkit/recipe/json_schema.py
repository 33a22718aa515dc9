"""The JSON Schema of recipes, from the annotations that the checker reads: an editor completes and checks with it.

It knows structure, names, types and ranges; rules that join several fields are the checker's alone. Where the checker
is lenient about writing (`small_cnn` for `small-cnn`), the schema asks for the usual form.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic import PydanticUserError, TypeAdapter

from robustkit.components.component import Component
from robustkit.components.fields import field_types, is_component
from robustkit.components.schedule import Schedule
from robustkit.plugin.description import field_docs, own_doc
from robustkit.plugin.registry import KINDS, Registry
from robustkit.recipe.lock import plain
from robustkit.recipe.schema import Recipe

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DECIMAL = r"(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_NUMBER = rf"{_DECIMAL}(\s*/\s*(?=[\d.]*[1-9]){_DECIMAL})?\s*$"  # no fraction of 0
_NUMERALS: Mapping[str, Schema] = {
    "numeral": {"type": "string", "pattern": rf"^\s*[-+]?{_NUMBER}"},
    "unsigned-numeral": {"type": "string", "pattern": rf"^\s*\+?{_NUMBER}"},
    "whole-numeral": {"type": "string", "pattern": r"^\s*[-+]?\d+([eE]\+?\d+)?\s*$"},
}
"""Numbers that YAML leaves as text, such as `8/255` and `5e-4`; JSON Schema cannot say more of their range."""


def recipe_schema(registry: Registry) -> Schema:
    """The schema (draft 2020-12) of recipes that use the registry's components."""
    return _Writer(registry).recipe()


class _Writer:
    """Writes the schema of whatever an annotation asks for; every component and section once, in `$defs`."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.definitions: dict[str, Schema] = dict(_NUMERALS)

    def recipe(self) -> Schema:
        schema = self._section(Recipe)
        for kind, name, registered in self.registry.listing():
            self.definitions[f"{kind}.{name}"] = self._section(registered.cls, name)
        for kind, (base, _) in KINDS.items():
            self.definitions[kind] = self._choice(base)
        return {
            "$schema": DRAFT,
            "title": "robustkit recipe",
            **schema,
            "$defs": dict(sorted(self.definitions.items())),
        }

    def _of(self, annotation: Any) -> Schema:
        bare, constraints = annotation, ()
        if get_origin(annotation) is Annotated:
            bare, *found = get_args(annotation)
            constraints = tuple(found)
        origin = get_origin(bare)
        if origin in (Union, types.UnionType):
            within = [Annotated[(part, *constraints)] if constraints else part for part in get_args(bare)]
            return _any_of([self._of(part) for part in within])
        if origin in (tuple, list, Sequence):
            return self._sequence(bare)
        if origin in (Mapping, dict):
            return self._mapping(*get_args(bare))
        if is_component(bare):
            return self._component(bare, constraints)
        if isinstance(bare, type) and is_dataclass(bare):
            name = f"{bare.__module__}.{bare.__qualname__}"
            if name not in self.definitions:
                self.definitions[name] = {}  # known before its fields are written, should one of them hold it again
                self.definitions[name] = self._section(bare)
            return {"$ref": f"#/$defs/{name}"}
        return _leaf(annotation, bare)

    def _section(self, cls: type, name: str = "") -> Schema:
        """A dataclass as an object with its fields; of a component, `name` is what stands behind `use:`."""
        hints, docs = field_types(cls), field_docs(cls)
        properties: dict[str, Schema] = {"use": {"const": name}} if name else {}
        for field in fields(cls):
            about = {"description": docs[field.name]} if docs.get(field.name) else {}
            properties[field.name] = {**self._of(hints[field.name]), **about, **_default(field)}
        required = [field.name for field in fields(cls) if _is_required(field)]
        about = {"description": own_doc(cls)} if own_doc(cls) else {}
        required = ["use", *required] if name else required
        schema = {"type": "object", **about, "properties": properties, "additionalProperties": False}
        return {**schema, "required": required} if required else schema

    def _sequence(self, annotation: Any) -> Schema:
        arguments = get_args(annotation)
        if get_origin(annotation) is tuple and arguments[-1] is not Ellipsis:
            entries = [self._of(argument) for argument in arguments]
            return {"type": "array", "prefixItems": entries, "items": False, "minItems": len(entries)}
        return {"type": "array", "items": self._of(arguments[0])}

    def _mapping(self, key: Any, value: Any) -> Schema:
        names = {"propertyNames": {"$ref": "#/$defs/numeral"}} if key in (int, float) else {}
        return {"type": "object", **names, "additionalProperties": {} if value is Any else self._of(value)}

    def _component(self, cls: type[Component], constraints: tuple[Any, ...]) -> Schema:
        """A place for a component: its kind's definition, or what fits where only some of the kind are accepted."""
        chosen = {"$ref": f"#/$defs/{cls.kind}"} if cls is KINDS[cls.kind][0] else self._choice(cls)
        if not issubclass(cls, Schedule):
            return chosen
        value = Annotated[(float, *constraints)] if constraints else float
        epochs = {"propertyNames": {"$ref": "#/$defs/unsigned-numeral"}, "minProperties": 1}
        return _any_of([{**self._mapping(float, value), **epochs}, chosen])

    def _choice(self, base: type[Component]) -> Schema:
        """One of the components: as a section that names it, or by its name alone where no field is required."""
        found = {name: item.cls for name, item in self.registry.components[base.kind].items()}
        found = {name: cls for name, cls in sorted(found.items()) if issubclass(cls, base)}
        alone = [name for name, cls in found.items() if not any(map(_is_required, fields(cls)))]
        by_name: list[Schema] = [{"enum": alone}] if alone else []
        return _any_of([*by_name, *({"$ref": f"#/$defs/{base.kind}.{name}"} for name in found)])


def _leaf(annotation: Any, bare: Any) -> Schema:
    """A single value as pydantic describes it; numbers may also be text."""
    try:
        leaf: Schema = TypeAdapter(annotation).json_schema()
    except PydanticUserError:  # a plugin's own type, which only Python can make: the checker will say what it thinks
        return {}
    if bare not in (int, float):
        return leaf
    unsigned = max(leaf.get("minimum", -1), leaf.get("exclusiveMinimum", -1)) >= 0
    numeral = "whole-numeral" if bare is int else "unsigned-numeral" if unsigned else "numeral"
    return _any_of([leaf, {"$ref": f"#/$defs/{numeral}"}])


def _any_of(schemas: Sequence[Schema]) -> Schema:
    """Any of these; of unions inside them, their alternatives. Of none, nothing fits."""
    parts = [part for schema in schemas for part in (schema["anyOf"] if list(schema) == ["anyOf"] else [schema])]
    unique = [part for place, part in enumerate(parts) if part not in parts[:place]]
    return unique[0] if len(unique) == 1 else {"anyOf": unique} if unique else {"not": {}}


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _default(field: Field[Any]) -> Schema:
    if _is_required(field):
        return {}
    made = field.default if field.default_factory is MISSING else field.default_factory()
    return {"default": plain(cast(Any, made))}
