"""`--plugin FILE.py`: a method is tried before it is packaged, and what is wrong with the file stops at once."""

from __future__ import annotations

import sys
import textwrap

import pytest

import robustkit
from robustkit.errors import PluginError
from robustkit.plugin.manager import Plugins

SHRINK = '''
"""A strategy that is tried."""
from __future__ import annotations

from dataclasses import dataclass

from torch.nn.functional import cross_entropy

from robustkit import Loss, Strategy, CrossEntropy, hookimpl
from robustkit.components.fields import Positive


@dataclass(frozen=True)
class Shrink(Strategy):
    """Cross-entropy of images times a factor."""

    name = "shrink"

    factor: Positive = 0.5
    loss_of: Loss = CrossEntropy()

    def loss(self, model, images, labels):
        return cross_entropy(model(images * self.factor), labels)


@hookimpl
def register_strategies() -> list[type[Strategy]]:
    """The strategy."""
    return [Shrink]
'''


@pytest.fixture
def write(tmp_path):
    def write(source: str, name: str = "tried.py"):
        file = tmp_path / name
        file.write_text(textwrap.dedent(source))
        return file

    yield write
    for name in [name for name in sys.modules if name.startswith("robustkit_file_plugin_")]:
        del sys.modules[name]


def test_its_components_are_used_beside_the_installed_ones(write):
    file = write(SHRINK)
    registry = Plugins(files=[file]).registry
    made = robustkit.make("strategy", "shrink", registry, factor="1/4", loss_of={"use": "cross_entropy"})
    assert made.factor == 0.25
    origin = registry.origin_of(made)
    assert (origin.plugin, origin.distribution, str(origin)) == ("tried", str(file), f"tried ({file})")
    assert registry.find("strategy", "natural")


def test_it_may_be_given_as_text_and_several_may(write):
    write(SHRINK)
    second = write(SHRINK.replace("Shrink", "Grow").replace("shrink", "grow"), "my-second try.py")
    registry = Plugins(files=[str(second.parent / "tried.py"), str(second)]).registry
    assert robustkit.make("strategy", "grow", registry) != robustkit.make("strategy", "shrink", registry)


def test_a_recipe_names_it_and_provenance_tells(write, tmp_path):
    plugins = Plugins(files=[write(SHRINK)])
    recipe = robustkit.load_recipe("natural", "learners.natural.strategy=shrink", registry=plugins.registry)
    from robustkit.recipe.lock import provenance

    assert f"tried ({tmp_path / 'tried.py'})" in provenance(recipe, plugins.registry)["plugins"]


REFUSED = {
    "syntax error": (
        SHRINK.replace("def loss(self", "def loss(self:"),
        "tried.py:22: could not be imported: SyntaxError: ",
    ),
    "error at import": (
        "\nimport os\n\nos.nothing()\n",
        "tried.py:4: could not be imported: AttributeError: module 'os'",
    ),
    "missing module": ("import nowhere_at_all\n", "tried.py:1: could not be imported: ModuleNotFoundError: No module"),
    "exit": ("raise SystemExit(0)\n", "tried.py:1: could not be imported: SystemExit: 0"),
    "null bytes": ("\0", "tried.py: could not be imported: "),
    "no hook": ("x = 3\n", "plugin tried ({file}) implements no hook."),
    "unmarked hook": (
        SHRINK.replace("@hookimpl\n", ""),
        "defines register_strategies() without the mark that makes it",
    ),
    "misspelled hook": (
        SHRINK.replace("register_strategies", "register_strategy"),
        "implements an unknown hook 'register_strategy'. Did you mean 'register_strategies'?",
    ),
    "wrong signature": (SHRINK.replace("register_strategies()", "register_strategies(a)"), "register_strategies(a)"),
    "not a class": (SHRINK.replace("[Shrink]", "['shrink']"), "returned 'shrink', which is no class"),
    "abstract": (SHRINK.replace("def loss(", "def los("), "which lacks the methods loss."),
    "bundled name": (
        SHRINK.replace('"shrink"', '"natural"'),
        "two plugins bring a strategy named 'natural': natural (robustkit-torch ",
    ),
    "two faults": (
        SHRINK.replace("[Shrink]", "[Shrink, 3, 4]"),
        "returned 3, which is no class: return the class itself, not an instance of it.\nregister_strategies() of",
    ),
}


@pytest.mark.parametrize(("source", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_with_it_is_an_error_that_names_the_file(source, expected, write):
    file = write(source)
    with pytest.raises(PluginError) as caught:
        Plugins(files=[file])
    assert expected.format(file=file) in str(caught.value)
    assert str(file) in str(caught.value)
    assert "--disable tried" not in str(caught.value), "a file is not left out that way"


@pytest.mark.parametrize("name", ["nowhere.py", "folder", "folder/nowhere.py"])
def test_a_file_that_is_not_there(name, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(PluginError, match=f"--plugin .*{name}: there is no such file."):
        Plugins(files=[tmp_path / name])


def test_a_file_that_is_no_python(write):
    with pytest.raises(PluginError, match="tried.txt: expected a Python file, NAME.py."):
        Plugins(files=[write(SHRINK, "tried.txt")])


def test_a_file_named_twice(write):
    file = write(SHRINK)
    with pytest.raises(PluginError, match="is installed or named twice"):
        Plugins(files=[file, file])


def test_a_broken_file_leaves_no_module_behind(write):
    with pytest.raises(PluginError):
        Plugins(files=[write("1 / 0\n")])
    assert "robustkit_file_plugin_tried" not in sys.modules
