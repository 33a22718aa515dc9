"""Running a lock says what has changed since it was made."""

from __future__ import annotations

from dataclasses import replace

from robustkit import load_recipe
from robustkit.plugin.manager import installed
from robustkit.recipe.lock import changed_since, provenance


def test_a_lock_of_this_very_machine_differs_in_nothing() -> None:
    recipe = load_recipe("natural")
    registry = installed().registry
    assert changed_since(recipe, registry) == []
    assert changed_since(replace(recipe, lock=provenance(recipe, registry)), registry) == []


def test_another_version_of_a_library_or_plugin_is_told_with_both_values() -> None:
    recipe, registry = load_recipe("natural"), installed().registry
    lock = provenance(recipe, registry)
    older = {**lock, "libraries": {**lock["libraries"], "torch": "1.0"}, "host": "another", "git_commit": "0"}
    (text,) = changed_since(replace(recipe, lock=older), registry)
    assert "libraries.torch: '1.0' then" in text
    assert lock["libraries"]["torch"] in text
