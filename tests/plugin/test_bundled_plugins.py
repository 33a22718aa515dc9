"""The bundled plugins come in by the door that strangers use, and the core knows none of them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from robustkit.plugin.manager import GROUP, installed
from robustkit.plugin.registry import KINDS, Registry

ROOT = Path(__file__).parents[2]
REGISTRY = installed().registry
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = PROJECT["entry-points"][GROUP]
OURS = [entry for entry in entry_points(group=GROUP) if entry.dist and entry.dist.name == "robustkit-torch"]


def test_nothing_is_wrong_with_any_of_them():
    assert REGISTRY.troubles == []
    assert REGISTRY.clashes == {}


def test_every_folder_of_plugins_has_its_entry_point_and_every_entry_point_is_installed():
    folders = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file()}
    assert {value for value in DECLARED.values() if "." not in value} == folders
    assert {entry.name: entry.value for entry in OURS} == DECLARED
    assert {origin.plugin for origin in REGISTRY.origins} >= set(DECLARED)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name, _ in REGISTRY.listing()])
def test_every_component_passes_the_checks_that_strangers_must_pass(kind, name):
    registered = REGISTRY.find(kind, name)
    fresh = Registry()
    fresh.add(kind, registered.cls, registered.origin)
    assert fresh.find(kind, name) == registered
    home = DECLARED[registered.origin.plugin]
    assert registered.origin.distribution == "robustkit-torch"
    assert registered.cls.__module__.split(".")[0] == home.split(".")[0]
    assert (registered.cls.__doc__ or "").strip(), "a component says what it is"


def test_there_is_a_component_of_every_kind():
    assert {kind for kind, names in REGISTRY.components.items() if names} == set(KINDS)


def test_importing_every_module_of_the_core_imports_no_plugin():
    modules = [
        str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
        for path in (ROOT / "robustkit").rglob("*.py")
        if path.name != "__main__.py"
    ]
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}:\n    importlib.import_module(name.removesuffix('.__init__'))\n"
        f"print([name for name in sys.modules if name.startswith('robustkit_')])\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert answer.stdout.strip() == "[]"


def test_the_import_contracts_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.is_file():
        pytest.skip("import-linter is not installed")
    answer = subprocess.run([str(lint), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout
    assert "3 kept, 0 broken" in answer.stdout
