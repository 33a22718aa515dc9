"""Plugins are left out by name, on the command line or by environment, whether they work or not."""

from __future__ import annotations

import pytest

from robustkit.errors import PluginError
from robustkit.plugin.manager import Plugins


@pytest.fixture
def troubled(install, loss_source):
    install("my-broken", "1 / 0\n")
    install("my-sound", loss_source("mine"))


@pytest.mark.usefixtures("troubled")
def test_by_argument():
    plugins = Plugins(disable=["my-broken"])
    assert not plugins.registry.troubles
    assert plugins.disabled == {"my-broken"}
    assert plugins.registry.find("loss", "mine")


@pytest.mark.usefixtures("troubled")
@pytest.mark.parametrize("names", ["my-broken", " my-broken ,", "my-broken,my-sound", "my-sound, my-broken"])
def test_by_environment(names, monkeypatch):
    monkeypatch.setenv("ROBUSTKIT_DISABLE", names)
    registry = Plugins().registry
    assert not registry.troubles
    assert ("mine" in registry.components["loss"]) == ("my-sound" not in names)


@pytest.mark.usefixtures("troubled")
def test_by_both(monkeypatch):
    monkeypatch.setenv("ROBUSTKIT_DISABLE", "my-sound")
    assert Plugins(disable=["my-broken"]).disabled == {"my-broken", "my-sound"}


@pytest.mark.usefixtures("troubled")
def test_what_is_left_out_is_not_even_imported(install, tmp_path):
    marker = tmp_path / "imported"
    install("my-spy", f"open({str(marker)!r}, 'w').close()\n")
    Plugins(disable=["my-spy"])
    assert not marker.exists()
    Plugins()
    assert marker.exists()


@pytest.mark.usefixtures("troubled")
def test_an_unknown_name_is_an_error_that_suggests():
    with pytest.raises(PluginError, match=r"--disable my-brokn: no such plugin. Did you mean 'my-broken'\? Known: "):
        Plugins(disable=["my-brokn"])


def test_an_unknown_name_in_the_environment_says_where_it_came_from(monkeypatch):
    monkeypatch.setenv("ROBUSTKIT_DISABLE", "nothing-such")
    with pytest.raises(PluginError, match="ROBUSTKIT_DISABLE nothing-such: no such plugin."):
        Plugins()


def test_every_bundled_plugin_can_be_left_out_alone():
    everything = Plugins()
    for origin in everything.registry.origins:
        registry = Plugins(disable=[origin.plugin]).registry
        assert not registry.troubles
        assert origin not in registry.origins
        brought = {(kind, name) for kind, name, item in everything.registry.listing() if item.origin == origin}
        assert {(kind, name) for kind, name, _ in registry.listing()}.isdisjoint(brought)


def test_with_all_plugins_left_out_errors_stay_clear():
    names = [origin.plugin for origin in Plugins().registry.origins]
    registry = Plugins(disable=names).registry
    assert not list(registry.listing())
    with pytest.raises(PluginError, match="unknown attack 'pgd'. Known: none."):
        registry.find("attack", "pgd")
