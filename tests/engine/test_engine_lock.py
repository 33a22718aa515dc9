"""The lock: the recipe as it ran, every default spelled out. Read back it is the same recipe; run, the same run."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from robustkit import load_recipe, run
from robustkit.plugin.manager import installed
from robustkit.recipe.lock import differences, lock_text, resolved

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True) | st.sampled_from(
    ["no", "on", "null", "true", "1", "007", "1e3", "0x1F", "1_000", "2024-01-01", "12-30", ".5".strip("."), "y", "NaN"]
)
LEARNERS = NAMES.filter(lambda name: name != "global")
ATTACKS = NAMES.filter(lambda name: name not in ("natural", "worst-case"))
RATES = st.floats(0, 10, allow_subnormal=False)


def again(recipe, plugins, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "lock-read-back.yaml"
    file.write_text(lock_text(recipe, {"host": "here"}), encoding="utf-8")
    return load_recipe(file, registry=plugins.registry)


def unlocked(recipe):
    return dataclasses.replace(recipe, lock=None)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_recipe_comes_back_from_its_lock(recipe, plugins, tmp_path_factory, data):
    first, second = data.draw(st.lists(LEARNERS, min_size=2, max_size=2, unique=True))
    epochs = data.draw(st.integers(1, 300))
    points = data.draw(st.dictionaries(st.integers(0, epochs) | st.floats(0, epochs), RATES, min_size=1, max_size=4))
    lr = data.draw(RATES | st.just(points) | st.just({"use": "linear", "points": points, "every_batch": True}))
    optimizer = {"use": "sgd", "lr": lr, "weight_decay": data.draw(RATES)}
    attack = {"use": "pgd", "eps": data.draw(st.floats(0, 1)), "norm": data.draw(st.sampled_from(["Linf", "L2"]))}
    averaging = st.none() | st.fixed_dictionaries(
        {"decay": st.floats(0, 1, exclude_max=True), "warm_up": st.booleans()}
    )
    original = recipe(
        name=data.draw(NAMES),
        epochs=epochs,
        seed=data.draw(st.integers(0, 2**63 - 1)),
        learners={
            first: {"strategy": "natural", "optimizer": optimizer, "averaging": data.draw(averaging)},
            second: {"strategy": {"use": "adversarial", "attack": attack}, "optimizer": {"use": "adam", "lr": 0.1}},
        },
        aggregator={"use": "generalist", "mix": {first: data.draw(st.floats(0, 1))}},
        augmentation=[{"use": "brightness", "label": data.draw(st.text(max_size=8))}],
        evaluation={"final_attacks": {data.draw(ATTACKS): attack}},
        threads=data.draw(st.none() | st.just(1)),
    )
    back = again(original, plugins, tmp_path_factory)
    assert unlocked(back) == original
    assert differences(resolved(back), resolved(original)) == []


@pytest.mark.parametrize("text", ["\x85", "Grüße\u2028世界", "line\nline", " 8/255", "null", "\ufeff", "'\"#: {[,"])
def test_text_comes_back_letter_by_letter(recipe, plugins, tmp_path_factory, text):
    original = recipe(augmentation=[{"use": "brightness", "label": text}])
    assert again(original, plugins, tmp_path_factory).augmentation[0].label == text


@pytest.mark.parametrize("name", sorted(installed().registry.recipes))
def test_every_bundled_recipe_comes_back_from_its_lock(name, tmp_path_factory):
    original = load_recipe(name)
    assert unlocked(again(original, installed(), tmp_path_factory)) == original


def test_a_lock_spells_out_every_default(train):
    written = yaml.safe_load((train().path / "lock.yaml").read_text())
    assert written["learners"]["natural"]["strategy"] == {
        "use": "natural",
        "criterion": {"use": "cross-entropy", "label_smoothing": 0.0},
    }
    assert written["learners"]["robust"]["averaging"] is None
    assert written["evaluation"]["batch_size"] == 500
    assert written["dataset"]["twist"] == 0
    assert written["seed"] == 1


def test_a_lock_says_where_it_ran(train):
    lock = yaml.safe_load((train().path / "lock.yaml").read_text())["lock"]
    assert lock["robustkit"] == importlib.metadata.version("robustkit-torch")
    assert lock["libraries"]["torch"] == importlib.metadata.version("torch")
    assert {"numpy", "safetensors", "pydantic"} <= lock["libraries"].keys()
    assert lock["python"] == platform.python_version()
    assert lock["host"] == platform.node()
    assert "platform" in lock
    assert "git_commit" in lock
    assert any("engine_parts.py" in plugin for plugin in lock["plugins"])
    assert any(plugin.startswith("generalist (robustkit-torch ") for plugin in lock["plugins"])


def test_running_the_lock_repeats_the_run(train, plugins, compare, tmp_path):
    changes = {
        "augmentation": ["brightness"],
        "architecture": {"use": "tiny", "dropout": 0.3},
        "evaluation": {"select_by": "natural"},
    }
    first = train(**changes)
    for number, source in enumerate((first.path, first.path / "lock.yaml")):
        again = run(source, output=tmp_path / f"again-{number}", plugins=plugins)
        assert compare.difference(first.path, again.path) == []
        assert again.recipe == dataclasses.replace(first.recipe, lock=again.recipe.lock)


def test_the_finished_run_gives_its_recipe_back(train, recipe):
    assert unlocked(train().recipe) == recipe()


def test_differences_are_dotted_paths_with_both_values():
    before = {"a": {"b": 1, "c": [1, 2]}, "same": 0, "gone": 1}
    now = {"a": {"b": 2, "c": [1, 3]}, "same": 0, "new": {"d": 4}}
    assert differences(before, now) == [
        "a.b: 1 then, 2 now",
        "a.c: [1, 2] then, [1, 3] now",
        "gone: 1 then, None now",
        "new: None then, {'d': 4} now",
    ]
    assert differences(before, before) == []
