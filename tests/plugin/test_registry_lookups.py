"""Looking components up: by kind and name, leniently about hyphens, helpfully where there is none."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

import robustkit
from robustkit.errors import PluginError, did_you_mean, known
from robustkit.plugin.manager import Plugins, installed
from robustkit.plugin.registry import KINDS, Origin
from robustkit.recipe.lock import provenance

REGISTRY = installed().registry


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name, _ in REGISTRY.listing()])
def test_hyphens_and_underscores_are_the_same(kind, name):
    assert REGISTRY.find(kind, name.replace("-", "_")) is REGISTRY.find(kind, name)


@pytest.mark.parametrize(
    ("kind", "name", "suggestion"),
    [
        ("attack", "pgdd", "pgd"),
        ("attack", "PGD", "pgd"),
        ("attack", "fgms", "fgsm"),
        ("aggregator", "generalst", "generalist"),
        ("strategy", "Adversarial", "adversarial"),
        ("strategy", "trade", "trades"),
        ("optimizer", "SGD", "sgd"),
        ("architecture", "resnet_18", "resnet18"),
        ("architecture", "smallcnn", "small-cnn"),
        ("dataset", "cifar-10", "cifar10"),
        ("loss", "cross-entropie", "cross-entropy"),
    ],
)
def test_a_misspelled_name_suggests_the_one_that_was_meant(kind, name, suggestion):
    with pytest.raises(PluginError) as caught:
        REGISTRY.find(kind, name)
    assert f"unknown {kind} {name!r}. Did you mean '{suggestion}'?" in str(caught.value)


def test_a_name_of_another_kind_is_told():
    with pytest.raises(
        PluginError, match="unknown loss 'pgd'.* There is an? attack of that name. Known: cross-entropy"
    ):
        REGISTRY.find("loss", "pgd")


def test_the_listing_is_sorted_within_kinds_and_complete():
    listed = [(kind, name) for kind, name, _ in REGISTRY.listing()]
    assert listed == sorted(listed, key=lambda pair: (list(KINDS).index(pair[0]), pair[1]))
    assert len(listed) == sum(map(len, REGISTRY.components.values()))


def test_who_brought_a_component_is_known_and_a_class_of_ones_own_was_brought_by_none():
    attack = robustkit.make("attack", "pgd", eps=0.1)
    assert REGISTRY.origin_of(attack).plugin == "attacks"

    class Mine(type(attack)):
        name = "pgd"

    assert REGISTRY.origin_of(Mine(eps=0.1)) is None


def test_a_recipes_provenance_names_each_plugin_it_uses_with_its_version(install, loss_source):
    install("my-losses", loss_source("my-loss"), plugin="mine", version="2.5.1")
    registry = Plugins().registry
    words = ["learners.robust.strategy.attack.loss=my-loss", "augmentation=[horizontal-flip]"]
    found = provenance(robustkit.load_recipe("pgd-at", *words, registry=registry), registry)["plugins"]
    version = REGISTRY.origins[0].version
    assert "mine (my-losses 2.5.1)" in found
    assert f"augmentations (robustkit-torch {version})" in found
    assert f"attacks (robustkit-torch {version})" in found
    assert not any("torchattacks" in text for text in found), "it is installed and not used"
    assert found == sorted(set(found))


def test_components_defined_in_python_are_named_as_such():
    recipe = robustkit.load_recipe("natural")

    class Mine(type(recipe.aggregator)):
        name = "mine"

    changed = dataclasses.replace(recipe, aggregator=Mine())
    assert "(defined in Python)" in provenance(changed, REGISTRY)["plugins"]


def test_an_origin_without_a_version_is_shown_without_one():
    assert str(Origin("tried", "tried.py", "")) == "tried (tried.py)"


@given(st.text(max_size=20), st.lists(st.text(max_size=10), max_size=5))
def test_suggestions_never_fail_and_never_suggest_what_is_not_there(word, names):
    hint = did_you_mean(word, names)
    assert hint == "" or any(hint == f" Did you mean '{name}'?" for name in names)
    assert known(names).startswith("Known: ")


def test_long_lists_of_known_names_are_cut():
    assert known([f"n{i:02}" for i in range(30)], limit=3) == "Known: n00, n01, n02 and 27 more."
