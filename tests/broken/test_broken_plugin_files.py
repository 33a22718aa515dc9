"""Broken plugins on the command line: named with their place, and no results folder."""

from __future__ import annotations

import sys

import pytest
from broken_input import BASE, assert_refused, run_command, write

SOUND = '''\
from dataclasses import dataclass

from robustkit import Strategy, hookimpl
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class Tried(Strategy):
    """Cross-entropy, scaled."""

    name = "tried"

    scale: float = 1.0

    def loss(self, model, images, labels):
        return self.scale * cross_entropy(model(images), labels)


@hookimpl
def register_strategies():
    return [Tried]
'''
BROKEN = {
    "syntax error": (
        "class Tried(Strategy):",
        "class Tried(Strategy:",
        "--plugin mine.py:8: could not be imported: Syntax",
    ),
    "missing import": (
        "import cross_entropy",
        "import cros_entropy",
        "--plugin mine.py:4: could not be imported: ImportEr",
    ),
    "missing package": (
        "from torch",
        "from torc",
        "--plugin mine.py:4: could not be imported: ModuleNotFoundError: No mod",
    ),
    "undefined name": (
        "@dataclass(frozen=True)",
        "@dataklass",
        "--plugin mine.py:7: could not be imported: NameError: na",
    ),
    "not frozen": (
        "(frozen=True)",
        "",
        "could not be imported: TypeError: cannot inherit non-frozen dataclass from a froz",
    ),
    "not a dataclass": ("@dataclass(frozen=True)\n", "", "whose fields need the decorator @dataclass(frozen=True)."),
    "no name": ('    name = "tried"\n', "", "register_strategies() of plugin mine (mine.py) returned "),
    "no name, said": ('    name = "tried"\n', "", "which has no `name`."),
    "a bundled name": (
        '"tried"',
        '"natural"',
        "two plugins bring a strategy named 'natural': natural (robustkit-torch ",
    ),
    "a name in capitals": (
        '"tried"',
        '"Tried"',
        "whose `name` must be its own, in lower case with hyphens, not 'Tried'.",
    ),
    "abstract": ("def loss", "def los", "which lacks the methods loss."),
    "an unknown annotation": (
        "scale: float",
        "scale: 'Flaot'",
        "whose annotations cannot be read: name 'Flaot' is not def",
    ),
    "not a class": ("[Tried]", "['tried']", "returned 'tried', which is no class: return the class itself"),
    "an instance": ("[Tried]", "[Tried()]", "which is no class: return the class itself, not an instance of it."),
    "no list": ("[Tried]", "Tried", "must return a list of classes from register_strategies(), got <class"),
    "nothing returned": (
        "return [Tried]",
        "[Tried]",
        "must return a list of classes from register_strategies(), got None",
    ),
    "a misspelled hook": ("register_strategies", "register_strategys", "Did you mean 'register_strategies'?"),
    "an unmarked hook": ("@hookimpl\n", "", "defines register_strategies() without the mark that makes it a hook"),
    "the wrong kind": ("register_strategies", "register_attacks", "which does not subclass robustkit.Attack."),
    "a hook with arguments": (
        "strategies()",
        "strategies(kind)",
        "Argument(s) {'kind'} are declared in the hookimpl but ",
    ),
    "a hook that raises": (
        "return [Tried]",
        "return 1 / 0",
        "raised in register_strategies(): ZeroDivisionError: divisi",
    ),
    "a file that exits": (
        "@hookimpl\n",
        "raise SystemExit\n",
        "--plugin mine.py:19: could not be imported: SystemExit",
    ),
}


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"recipe.yaml": BASE.replace("strategy: natural", "strategy: tried")})
    yield
    sys.modules.pop("robustkit_file_plugin_mine", None)


@pytest.mark.parametrize(("old", "new", "expected"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_file(old, new, expected, tmp_path):
    assert SOUND.count(old) == 1
    write(tmp_path, {"mine.py": SOUND.replace(old, new)})
    assert_refused(tmp_path, ("run", "recipe.yaml", "--plugin", "mine.py", "--output", "results"), expected, "mine.py")


def test_the_sound_one_is_accepted_before_and_after_the_verb(tmp_path):
    write(tmp_path, {"mine.py": SOUND})
    assert run_command("check", "recipe.yaml", "--plugin", "mine.py").exit_code == 0
    assert run_command("--plugin", "mine.py", "check", "recipe.yaml").exit_code == 0


def test_without_it_the_recipe_is_refused_where_it_names_it(tmp_path):
    run = ("run", "recipe.yaml", "--output", "results")
    assert_refused(tmp_path, run, "recipe.yaml:8:15: learners.natural.strategy: unknown strategy 'tried'.")


WRONG_IN_USE = {
    "a wrong field": ("scale=many", "learners.natural.strategy.scale: expected a number, got 'many'."),
    "an unknown field": ("scales=3", "learners.natural.strategy.scales: unknown key 'scales'. Did you mean 'scale'?"),
}


@pytest.mark.parametrize(("word", "expected"), WRONG_IN_USE.values(), ids=WRONG_IN_USE)
def test_its_own_fields_are_checked_as_bundled_ones_are(word, expected, tmp_path):
    write(tmp_path, {"mine.py": SOUND})
    run = ("run", "recipe.yaml", f"learners.natural.strategy.{word}", "--plugin", "mine.py", "--output", "results")
    assert_refused(tmp_path, run, expected)


def test_a_strategy_whose_loss_is_no_scalar_ends_with_exit_code_1_and_says_which(tmp_path):
    write(tmp_path, {"mine.py": SOUND.replace("return self.scale * ", "return images  # ")})
    tried = run_command("run", "-q", "recipe.yaml", "--plugin", "mine.py", "--output", "results")
    assert tried.exit_code == 1
    assert "learner 'natural': strategy 'tried' must return a differentiable scalar, got tensor(" in tried.text
    assert "Traceback" not in tried.text
