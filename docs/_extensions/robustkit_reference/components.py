"""One kind's page: what the kind is, and every installed component of it with its fields."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Annotated, Any, Union, get_args, get_origin

import yaml

from robustkit.components.component import Component
from robustkit.components.fields import field_types, is_component
from robustkit.plugin.description import describe_component
from robustkit.plugin.registry import KINDS, Registered, Registry
from robustkit_reference.fields import fields_table, written
from robustkit_reference.markdown import Entry, code, fenced

_COMPONENTS = {
    "attack": {"use": "pgd", "eps": "8/255", "step_size": "2/255", "steps": 10},
    "schedule": 0.1,
    "strategy": "natural",
    "aggregator": "wa",
    "dataset": "cifar10",
}
_VALUES = {
    "eps": "8/255",
    "step_size": "2/255",
    "steps": 10,
    "milestones": [60, 90],
    "epochs": 5,
    "mix": {"robust": 0.5},
    "train": "train.npz",
    "test": "test.npz",
    "root": "data",
    "image_size": 64,
    "learner": "robust",
    "model": "resnet18",
    "opt": "lamb",
    "attack": "PGD",
}
"""What examples give for required fields of these names; numbers of other names are 0.1 or 1."""
_SOME_OF_THEM = {"linf": "8/255", "l2": 0.5}
"""What examples give for fields that may be left out, but not all of them."""
_KEYS = {"schedule": "lr", "loss": "criterion", "searcher": "use"}
"""Where a recipe writes a component whose kind is no key of its own."""


def kind_lead(kind: str) -> str:
    """How components of a kind come in."""
    base, hook = KINDS[kind]
    return (
        f"Plugins bring them by the hook [{hook}](#{hook}). To write one, subclass "
        f"[robustkit.{base.__name__}](#robustkit.{base.__name__})."
    )


def kind_entries(kind: str, registry: Registry) -> list[Entry]:
    """Every component of a kind, sorted by name."""
    components = sorted(registry.components[kind].items())
    return [Entry(f"{kind}-{name}", code(name), component_text(kind, found)) for name, found in components]


def component_text(kind: str, registered: Registered) -> str:
    """One component: docstring, example, fields."""
    origin, cls = registered.origin, registered.cls
    parts = [
        f"{describe_component(cls).doc}\n",
        fenced("yaml", example_text(kind, cls)),
        fields_table(cls),
        f"{{.origin}}\nPlugin {code(origin.plugin)} of {code(origin.distribution)}; "
        f"class {code(f'{cls.__module__}.{cls.__qualname__}')}.",
    ]
    return "\n".join(parts)


def example_text(kind: str, cls: type[Component]) -> str:
    """A line of a recipe that uses the component."""
    text, key = written(example(cls)), _KEYS.get(kind, kind)
    if kind == "augmentation":
        return f"{key}: [{text}]"
    return f"{key}: {text}" if len(text) < 80 else yaml.safe_dump({key: example(cls)}, sort_keys=False)


def example(cls: type[Component]) -> dict[str, Any] | str:
    """What a recipe writes for the component: every required field, and the first numbers among the others."""
    chosen: dict[str, Any] = {}
    for field in fields(cls):
        if field.default is MISSING and field.default_factory is MISSING:
            chosen[field.name] = _value(field.name, field_types(cls)[field.name])
        elif field.name in _SOME_OF_THEM:
            chosen[field.name] = _SOME_OF_THEM[field.name]
        elif isinstance(field.default, int | float) and not isinstance(field.default, bool) and len(chosen) < 3:
            chosen[field.name] = field.default
    return {"use": cls.name, **chosen} if chosen else cls.name


def _value(name: str, annotation: Any) -> Any:
    """A sound value for a required field of this type."""
    bare = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if is_component(bare):
        return _COMPONENTS[bare.kind]
    if name in _VALUES:
        return _VALUES[name]
    origin, arguments = get_origin(bare), get_args(bare)
    if origin is tuple:
        return [_value("", arguments[0])] * 2
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {1: _value("", arguments[1])}
    if origin in (Union, types.UnionType):
        return _value(name, arguments[0])
    return {float: 0.1, int: 1, str: "runs/teacher/weights/global.safetensors"}[bare]
