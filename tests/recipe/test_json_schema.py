"""The JSON Schema says what the checker says, as far as one word at a time can be judged."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, fields
from typing import Annotated, Any

import pytest
import yaml
from annotated_types import Ge
from jsonschema import Draft202012Validator
from small_recipes import MINIMAL, minimal

import robustkit
from robustkit import Attack, Rate
from robustkit.errors import RecipeError
from robustkit.plugin.manager import installed
from robustkit.plugin.registry import KINDS, Origin, Registry
from robustkit.recipe.json_schema import recipe_schema
from robustkit.recipe.lock import lock_text

REGISTRY = installed().registry
SCHEMA = recipe_schema(REGISTRY)
VALIDATOR = Draft202012Validator(SCHEMA)


def as_an_editor_reads(data: Any) -> Any:
    """Keys are text in JSON."""
    return json.loads(json.dumps(data))


def fits(data: Any) -> bool:
    return VALIDATOR.is_valid(as_an_editor_reads(data))


def checked(data: Any) -> bool:
    try:
        robustkit.load_recipe(data)
    except RecipeError:
        return False
    return True


def test_it_is_a_schema_and_plain_json():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_every_reference_leads_somewhere():
    def references(part: Any):
        if isinstance(part, dict):
            yield from [part["$ref"]] if "$ref" in part else []
            part = list(part.values())
        for item in part if isinstance(part, list) else []:
            yield from references(item)

    found = set(references(SCHEMA))
    assert found
    assert {reference.removeprefix("#/$defs/") for reference in found} <= set(SCHEMA["$defs"])


@pytest.mark.parametrize("name", sorted(REGISTRY.recipes))
def test_every_bundled_recipe_fits_as_it_is_and_as_its_lock(name):
    text = REGISTRY.recipes[name][0].read_text(encoding="utf-8")
    assert not list(VALIDATOR.iter_errors(as_an_editor_reads(yaml.safe_load(text))))
    locked = yaml.safe_load(lock_text(robustkit.load_recipe(name), {"robustkit": "0"}))
    assert not list(VALIDATOR.iter_errors(as_an_editor_reads(locked)))


def test_every_component_has_its_definition_with_its_fields_and_their_meaning():
    for kind, name, registered in REGISTRY.listing():
        definition = SCHEMA["$defs"][f"{kind}.{name}"]
        properties = definition["properties"]
        assert properties["use"] == {"const": name}
        assert set(properties) == {"use", *(field.name for field in fields(registered.cls))}
        assert definition["additionalProperties"] is False
        assert definition["description"]
    pgd = SCHEMA["$defs"]["attack.pgd"]
    assert pgd["required"] == ["use", "eps"]
    assert pgd["properties"]["steps"]["default"] == 10
    assert "pixels" in pgd["properties"]["eps"]["description"]
    assert SCHEMA["properties"]["batch_size"]["default"] == 128
    assert SCHEMA["required"] == ["name", "epochs", "dataset", "architecture", "learners", "aggregator"]


GOOD = {
    "text for numbers": ("learners.robust.strategy.attack", {"use": "pgd", "eps": "8/255", "step_size": "5e-4"}),
    "text for whole numbers": ("epochs", "12"),
    "a name alone": ("architecture", "small-cnn"),
    "a name in a section": ("architecture", {"use": "small-cnn"}),
    "a rate that is a number": ("learners.robust.optimizer.lr", 0.1),
    "a rate that is text": ("learners.robust.optimizer.lr", "1/10"),
    "a rate by epochs": ("learners.robust.optimizer.lr", {0: 0.1, "4": "1/100"}),
    "a rate that is a schedule": ("learners.robust.optimizer.lr", {"use": "constant", "value": 0.1}),
    "null": ("learners.robust.averaging", None),
    "a list": ("augmentation", ["horizontal-flip", {"use": "random-crop", "padding": 2}]),
    "nothing in a list": ("augmentation", []),
    "a section of defaults": ("learners.robust.averaging", {}),
    "a normalization": ("normalization", {"mean": [0.5], "std": ["1/2"]}),
    "anything in a lock": ("lock", {"robustkit": "0", "plugins": [1, None]}),
}
BROKEN = {
    "an unknown key": ("batch_sise", 3),
    "an unknown key of a component": ("architecture", {"use": "small-cnn", "widht": 3}),
    "an unknown name": ("architecture", "smal-cnn"),
    "an unknown name in a section": ("architecture", {"use": "smal-cnn"}),
    "a name of another kind": ("architecture", "natural"),
    "no name": ("architecture", {"width": 3}),
    "a name that needs fields": ("learners.robust.strategy.attack", "pgd"),
    "a missing field": ("learners.robust.strategy.attack", {"use": "pgd"}),
    "text where a number belongs": ("epochs", "many"),
    "a fraction where a whole number belongs": ("epochs", 2.5),
    "a number below its range": ("epochs", 0),
    "text below its range": ("learners.robust.strategy.attack.eps", "-8/255"),
    "a number above its range": ("learners.robust.averaging.decay", 1),
    "a rate below its range": ("learners.robust.optimizer.lr", -0.1),
    "a rate by epochs below its range": ("learners.robust.optimizer.lr", {0: 0.1, 4: -0.1}),
    "a share above 1": ("aggregator.mix.robust", 1.5),
    "a fraction of nothing": ("learners.robust.optimizer.lr", "1/0.0"),
    "an epoch before the first": ("learners.robust.optimizer.lr", {-1: 0.1}),
    "an epoch that is no number": ("learners.robust.optimizer.lr", {"first": 0.1}),
    "a schedule without its field": ("learners.robust.optimizer.lr", "constant"),
    "true for a number": ("learners.robust.optimizer.lr", True),
    "a number for text": ("name", 3),
    "text for true": ("learners.robust.averaging.warm_up", "yes"),
    "an unknown choice": ("precision", "half"),
    "a list for a mapping": ("learners", ["natural"]),
    "a mapping for a list": ("augmentation", {"use": "random-crop"}),
    "null where nothing stands for it": ("epochs", None),
    "a missing section": ("aggregator", ...),
    "a missing field of a learner": ("learners.robust.optimizer", ...),
}


def changed(path: str, value: Any) -> dict:
    data = copy.deepcopy(yaml.safe_load(MINIMAL))
    *above, last = path.split(".")
    here = data
    for step in above:
        here = here[step]
    if value is ...:
        del here[last]
    else:
        here[last] = value
    return data


@pytest.mark.parametrize(("path", "value"), GOOD.values(), ids=GOOD)
def test_what_the_checker_takes_fits(path, value):
    assert checked(changed(path, value))
    assert fits(changed(path, value))


@pytest.mark.parametrize(("path", "value"), BROKEN.values(), ids=BROKEN)
def test_what_the_checker_refuses_does_not_fit(path, value):
    assert not checked(changed(path, value))
    assert not fits(changed(path, value))


@pytest.mark.parametrize("data", [None, [], "text", 3, {}])
def test_what_is_no_recipe_at_all_does_not_fit(data):
    assert not fits(data)


def test_of_an_empty_registry_no_component_fits():
    schema = recipe_schema(Registry())
    Draft202012Validator.check_schema(schema)
    assert {schema["$defs"][kind] == {"not": {}} for kind in KINDS} == {True}
    assert not Draft202012Validator(schema).is_valid(minimal())


@dataclass(frozen=True)
class Inner:
    """A section that may hold itself."""

    again: Inner | None = None
    """Deeper."""


class Opaque:
    """What pydantic knows nothing of."""


@dataclass(frozen=True)
class Unusual(Attack):
    """Fields of every unusual sort."""

    name = "unusual"

    pair: tuple[int, str]
    inner: Inner = Inner()
    rates: tuple[Annotated[Rate, Ge(0)], ...] = (0.5,)
    opaque: Opaque | None = None

    @property
    def budget(self) -> None:
        return None

    def __call__(self, model, images, labels):
        return images


def test_a_strangers_unusual_fields_have_a_schema():
    registry = Registry()
    registry.add("attack", Unusual, Origin("unusual", "stranger", "1"))
    schema = recipe_schema(registry)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator({**schema["$defs"]["attack"], "$defs": schema["$defs"]})
    assert validator.is_valid(
        {"use": "unusual", "pair": [1, "a"], "inner": {"again": {"again": None}}, "rates": [1, "1/2"]}
    )
    assert not validator.is_valid({"use": "unusual", "pair": [1]})
    assert not validator.is_valid({"use": "unusual", "pair": [1, "a", 2]})
    assert not validator.is_valid({"use": "unusual", "pair": [1, "a"], "inner": {"again": {"agin": None}}})
    assert not validator.is_valid({"use": "unusual", "pair": [1, "a"], "rates": [1, -1]})
