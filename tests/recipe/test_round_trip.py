"""What a run writes down is the recipe that ran: `plain` data and lock text are read back as an equal recipe."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_recipes import MINIMAL, minimal

import robustkit
from robustkit.plugin.manager import installed
from robustkit.recipe.lock import differences, lock_text, plain, resolved

REGISTRY = installed().registry


@pytest.mark.parametrize("name", sorted(REGISTRY.recipes))
def test_bundled_recipes(name, tmp_path):
    recipe = robustkit.load_recipe(name)
    assert robustkit.load_recipe(plain(recipe)) == recipe
    (tmp_path / "lock.yaml").write_text(lock_text(recipe, {"robustkit": "0"}))
    locked = robustkit.load_recipe(tmp_path)
    assert locked.lock == {"robustkit": "0"}
    assert dataclasses.replace(locked, lock=None) == recipe
    assert not differences(resolved(recipe), resolved(locked))


def test_a_lock_spells_out_every_default(tmp_path):
    (tmp_path / "r.yaml").write_text(MINIMAL)
    data = yaml.safe_load(lock_text(robustkit.load_recipe(tmp_path / "r.yaml"), {}))
    assert data["batch_size"] == 128
    assert data["learners"]["robust"]["averaging"] == {
        "decay": 0.99,
        "warm_up": True,
        "method": "ema",
        "start_epoch": 1,
        "every_epochs": 1,
    }
    assert data["learners"]["robust"]["strategy"]["attack"]["eps"] == 8 / 255
    assert data["learners"]["robust"]["strategy"]["attack"]["loss"] == {"use": "cross-entropy", "label_smoothing": 0.0}
    assert data["learners"]["robust"]["optimizer"]["lr"] == {
        "use": "linear",
        "points": {0.0: 0.1, 4.0: 0.01},
        "every_batch": False,
    }
    assert data["dataset"]["use"] == "digits"


SOME_ARE_NEEDED = {("attack", "msd"): {"linf": "8/255", "l2": 0.5}}
"""Components of whose optional fields some must be given."""


def default_made() -> list[tuple[str, str]]:
    """Kind and name of every component that can be made without a field."""
    return [
        (kind, name)
        for kind, name, registered in REGISTRY.listing()
        if all(
            field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
            for field in dataclasses.fields(registered.cls)
        )
        and (kind, name) not in SOME_ARE_NEEDED
    ]


@pytest.mark.parametrize(("kind", "name"), [*default_made(), *SOME_ARE_NEEDED])
def test_components_of_defaults(kind, name):
    component = robustkit.make(kind, name, **SOME_ARE_NEEDED.get((kind, name), {}))
    data = yaml.safe_load(yaml.safe_dump(plain(component)))
    assert robustkit.make(kind, data.pop("use"), **data) == component


LEARNERS = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True), st.floats(0, 1e6), min_size=1)


@given(
    learners=LEARNERS.filter(lambda names: "global" not in names),
    points=st.dictionaries(st.integers(0, 50) | st.floats(0, 50), st.floats(0, 1), min_size=1, max_size=4),
    seed=st.integers(0, 2**62),
    count=st.integers(1, 10**9),
    momentum=st.floats(0, 0.99),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_any_recipe(tmp_path, learners, points, seed, count, momentum):
    sections = {
        name: {
            "strategy": "natural",
            "optimizer": {"use": "sgd", "lr": points, "momentum": momentum, "weight_decay": decay},
        }
        for name, decay in learners.items()
    }
    aggregator = {"use": "generalist", "mix": {name: 1 / len(learners) for name in list(learners)[1:]}}
    changes = {"learners": sections, "aggregator": aggregator, "seed": seed, "batch_size": count}
    recipe = robustkit.load_recipe(minimal(epochs=50, **changes))
    (tmp_path / "lock.yaml").write_text(lock_text(recipe, {}))
    again = robustkit.load_recipe(tmp_path)
    assert dataclasses.replace(again, lock=None) == recipe
    assert list(again.learners) == list(learners), "the order of learners decides ties"


def test_differences_name_the_dotted_path_and_both_values():
    before = resolved(robustkit.load_recipe(minimal()))
    now = resolved(robustkit.load_recipe(minimal(seed=2), "learners.only.optimizer.lr=0.2", "architecture.width=9"))
    assert differences(before, now) == [
        f"architecture.width: {before['architecture']['width']} then, 9 now",
        "learners.only.optimizer.lr: 0.1 then, 0.2 now",
        "seed: 1 then, 2 now",
    ]
