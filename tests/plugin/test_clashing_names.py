"""A name belongs to one plugin: where two claim it neither gets it, and the error names both."""

from __future__ import annotations

import pytest

import robustkit
from robustkit.errors import PluginError, RecipeError
from robustkit.plugin.manager import Plugins

CLASH = "two plugins bring a loss named 'ours': first (pack-one 1.0) and second (pack-two 2.0). Neither is used: "


def both(install, loss_source) -> Plugins:
    install("pack-one", loss_source("ours"), plugin="first")
    install("pack-two", loss_source("ours"), plugin="second", version="2.0")
    return Plugins()


def test_neither_of_two_components_is_used_and_the_error_names_both(install, loss_source):
    registry = both(install, loss_source).registry
    (trouble,) = registry.troubles
    assert trouble.startswith(CLASH)
    assert trouble.endswith("rename one, or leave a plugin out with --disable NAME or ROBUSTKIT_DISABLE=NAME.")
    with pytest.raises(PluginError) as caught:
        registry.find("loss", "ours")
    assert str(caught.value) == trouble
    assert "ours" not in [name for _, name, _ in registry.listing()]


def test_leaving_one_out_gives_the_name_to_the_other(install, loss_source):
    both(install, loss_source)
    registry = Plugins(disable=["first"]).registry
    assert not registry.troubles
    assert registry.find("loss", "ours").origin.distribution == "pack-two"


def test_of_three_claims_all_are_named(install, loss_source):
    install("pack-three", loss_source("ours"), plugin="third")
    registry = both(install, loss_source).registry
    assert len(registry.troubles) == 2
    with pytest.raises(PluginError) as caught:
        registry.find("loss", "ours")
    for name in ("first (pack-one 1.0)", "second (pack-two 2.0)", "third (pack-three 1.0)"):
        assert name in str(caught.value)


def test_a_bundled_name_cannot_be_taken_over_silently(install, loss_source):
    install("rival", loss_source("margin"))
    registry = Plugins().registry
    with pytest.raises(PluginError, match=r"two plugins bring a loss named 'margin': .*robustkit-torch.* and rival"):
        registry.find("loss", "margin")
    assert registry.find("loss", "cross-entropy")
    assert Plugins(disable=["rival"]).registry.find("loss", "margin").origin.distribution == "robustkit-torch"


def test_one_name_for_components_of_two_kinds_is_no_clash(install, loss_source):
    install("rival", loss_source("natural"))
    registry = Plugins().registry
    assert not registry.troubles
    assert registry.find("loss", "natural").origin.plugin == "rival"
    assert registry.find("strategy", "natural").origin.plugin == "natural"


def test_a_plugin_that_names_two_classes_alike_clashes_with_itself(install, loss_source):
    source = loss_source("ours").replace("[Ours]", "[Ours, Ours]")
    install("doubling", source)
    (trouble,) = Plugins().registry.troubles
    assert "doubling (doubling 1.0) and doubling (doubling 1.0)" in trouble


RECIPES = """
from pathlib import Path

@hookimpl
def register_recipes():
    return {{"{name}": Path(__file__)}}
"""


def test_recipes_clash_as_components_do(install):
    install("pack-one", RECIPES.format(name="generalist"))
    plugins = Plugins()
    (trouble,) = plugins.registry.troubles
    assert trouble.startswith(
        "two plugins bring a recipe named 'generalist': pack-one (pack-one 1.0) and recipes (robust"
    )
    with pytest.raises(PluginError, match="two plugins bring a recipe named 'generalist'"):
        robustkit.load_recipe("generalist", registry=plugins.registry)
    assert robustkit.load_recipe("natural", registry=plugins.registry)


def test_a_plugins_own_recipe_is_found_by_name(install):
    file = install("pack-one", RECIPES.format(name="theirs"))
    file.write_text(f"# hookimpl\n{file.read_text()}")
    registry = Plugins().registry
    with pytest.raises(RecipeError, match="theirs.yaml:"):
        robustkit.load_recipe("theirs", registry=registry)  # a Python file is found, and is no YAML


def test_the_order_of_installation_decides_nothing(install, loss_source):
    names = {"a-last": "zzz", "z-first": "aaa"}
    for package, plugin in names.items():
        install(package, loss_source("ours"), plugin=plugin)
    (trouble,) = Plugins().registry.troubles
    assert "aaa (z-first 1.0) and zzz (a-last 1.0)" in trouble
