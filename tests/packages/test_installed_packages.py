"""robustkit as a wheel, and plugins of others beside it, installed for real and used from an unrelated folder."""

from __future__ import annotations

import json
import tomllib
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

HERE = Path(__file__).parent
VERSION = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def test_the_median_is_two_files_of_twenty_lines():
    files = [HERE / "robustkit-median" / name for name in ("pyproject.toml", "robustkit_median.py")]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= 20


def test_the_wheel_holds_core_plugins_and_recipes_and_nothing_else(environment):
    (wheel,) = environment.wheels.glob("robustkit_torch-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    plugins = {path.name for path in (HERE.parents[1] / "plugins").iterdir() if (path / "__init__.py").is_file()}
    assert tops == {"robustkit", f"robustkit_torch-{VERSION}.dist-info"} | plugins
    recipes = {path.name for path in (HERE.parents[1] / "recipes").glob("*.yaml")}
    assert {name.split("/")[-1] for name in names if name.startswith("robustkit/recipes/")} >= recipes
    assert "robustkit/py.typed" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


PROBE = """
import json
import robustkit, robustkit_median, robustkit_extras, robustkit_generalist
from importlib.metadata import distribution, entry_points
from robustkit.plugin.manager import installed

modules = [robustkit, robustkit_median, robustkit_extras, robustkit_generalist]
registry = installed().registry
print(json.dumps({
    "files": [module.__file__ for module in modules],
    "home": str(distribution("robustkit-torch").locate_file("")),
    "names": [entry.name for entry in entry_points(group="robustkit")],
    "troubles": registry.troubles,
    "origins": {name: str(registry.find(kind, name).origin) for kind, name in [
        ("aggregator", "median"), ("dataset", "stripes"), ("architecture", "perceptron"), ("attack", "corners"),
        ("strategy", "half-and-half"), ("attack", "pgd")]},
}))
"""


def test_what_is_imported_is_what_was_installed_and_no_plugin_comes_twice(environment):
    found = json.loads(environment.run("python", "-c", PROBE))
    assert all(Path(file).is_relative_to(environment.site) for file in found["files"])
    assert Path(found["home"]) == environment.site
    assert len(found["names"]) == len(set(found["names"]))
    assert {"median", "extras", "attacks"} <= set(found["names"])
    assert found["troubles"] == []
    extras = "extras (robustkit-extras 1.2.3)"
    assert found["origins"] == {
        "median": "median (robustkit-median 0.1)",
        "stripes": extras,
        "perceptron": extras,
        "corners": extras,
        "half-and-half": extras,
        "pgd": f"attacks (robustkit-torch {VERSION})",
    }


RECIPE = """\
name: strangers
epochs: 3
batch_size: 16
validation_examples: 16
dataset: {use: stripes, examples: 96, noise: 0.1}
architecture: {use: perceptron, width: 8}
learners:
  natural: {strategy: natural, optimizer: {use: sgd, lr: 0.5}}
  first: &robust
    strategy: {use: half-and-half, attack: {use: corners, eps: 8/255}}
    optimizer: {use: sgd, lr: 0.5}
  second: {<<: *robust, optimizer: {use: sgd, lr: 0.1}}
aggregator: median
evaluation: {final_attacks: {corners: {use: corners, eps: 8/255}, pgd: {use: pgd, eps: 8/255, steps: 3}}}
device: cpu
"""


@pytest.fixture(scope="module")
def strangers_run(environment) -> Path:
    """The results of a recipe that two strangers' packages are needed for."""
    (environment.elsewhere / "mine.yaml").write_text(RECIPE)
    environment.run("robustkit", "run", "mine.yaml", "--quiet", "--output", "results")
    return environment.elsewhere / "results"


def test_a_recipe_runs_with_the_components_of_both_packages(strangers_run):
    report = json.loads((strangers_run / "report.json").read_text())
    assert set(report["networks"]) == {"global", "natural", "first", "second"}
    merged = report["networks"]["global"]
    assert {"natural", "corners", "pgd"} <= set(merged)
    assert merged["natural"]["accuracy"] > 0.8, "stripes are easy, and the median of three learners has learnt them"
    assert merged["pgd"]["accuracy"] <= merged["natural"]["accuracy"]


def test_the_lock_says_which_packages_in_which_versions_took_part(strangers_run):
    lock = (strangers_run / "lock.yaml").read_text()
    assert "- median (robustkit-median 0.1)" in lock
    assert "- extras (robustkit-extras 1.2.3)" in lock
    assert f"robustkit: {VERSION}" in lock


def test_bundled_recipes_travel_in_the_wheel(environment):
    words = [
        "epochs=1",
        "aggregator.start_epoch=1",
        "aggregator.mix.robust=0.5",
        "validation_examples=32",
        "train_examples=64",
    ]
    words += [f"learners.{name}.optimizer.lr=0.05" for name in ("natural", "robust")]
    words += [
        "learners.robust.strategy.attack.steps=1",
        "architecture.width=2",
        "evaluation.test_examples=32",
        "device=cpu",
    ]
    words += ["evaluation.attacks={}", "evaluation.final_attacks={}"]
    output = environment.elsewhere / "bundled"
    printed = environment.run("robustkit", "run", "generalist", *words, "--quiet", "--output", str(output))
    assert str(output) in printed
    assert json.loads((output / "report.json").read_text())["name"] == "generalist"


def test_the_command_lists_packages_with_versions_and_what_they_bring(environment):
    listing = json.loads(environment.run("robustkit", "plugins", "--json"))
    assert listing["troubles"] == []
    by_name = {plugin["name"]: plugin for plugin in listing["plugins"]}
    assert by_name["median"]["version"] == "0.1"
    assert by_name["median"]["brings"] == {"aggregator": ["median"]}
    assert by_name["extras"]["distribution"] == "robustkit-extras"
    assert by_name["extras"]["brings"] == {
        "attack": ["corners"],
        "architecture": ["perceptron"],
        "strategy": ["half-and-half"],
        "dataset": ["stripes"],
        "recipe": ["stripes"],
    }


def test_a_strangers_recipe_runs_by_its_name(environment):
    printed = environment.run("robustkit", "check", "stripes")
    assert printed.startswith("ok: stripes: perceptron on stripes, 6 epochs, 2 learners")


def test_their_own_conformance_tests_pass_where_they_are_installed(environment):
    tests = [str(folder) for folder in sorted(environment.sources.glob("*/tests"))]
    assert len(tests) == 4
    printed = environment.run(
        "python",
        "-m",
        "pytest",
        "-qrs",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        f"--rootdir={environment.elsewhere}",
        *tests,
    )
    assert " passed" in printed
    assert "failed" not in printed
    for library in ("foolbox", "adversarial-robustness-toolbox"):
        assert installed(library) or f"pip install {library}" in printed, "skipped, and says what is missing"


def installed(distribution: str) -> bool:
    """Whether this environment, whose libraries are lent, has it."""
    return any(found.name == distribution for found in distributions())
