"""Installed plugins that cannot be used: reported by name with the way out, and no other plugin goes down with them."""

from __future__ import annotations

import pytest

from robustkit.errors import PluginError
from robustkit.plugin.manager import Plugins, installed

NAMED = '''
@dataclass(frozen=True)
class Tried(Loss):
    """A loss."""
    name = "tried"
    def __call__(self, logits, labels):
        return logits.sum(1)
'''
HOOK = "\n@hookimpl\ndef register_losses():\n    return [Tried]\n"

BROKEN = {
    "syntax error": ("def register(:\n", "could not be imported: SyntaxError: "),
    "import error": (
        "from os import nothing_such\n",
        "could not be imported: ImportError: cannot import name 'nothing_su",
    ),
    "error while importing": ("1 / 0\n", "could not be imported: ZeroDivisionError: division by zero."),
    "exit while importing": ("import sys\nsys.exit(0)\n", "could not be imported: SystemExit: 0."),
    "missing dependency": ("import nowhere_at_all.part\n", "it needs 'nowhere_at_all', which is not installed."),
    "no hook": ("value = 3\n", "implements no hook. Known: epoch_ended, "),
    "unmarked hook": (
        NAMED + HOOK.replace("@hookimpl\n", ""),
        "defines register_losses() without the mark that makes it a hook: write @hookimpl above it.",
    ),
    "one of two hooks unmarked": (
        NAMED + HOOK + "\ndef register_attacks():\n    return []\n",
        "defines register_attacks() without the mark",
    ),
    "misspelled hook": (
        NAMED + HOOK.replace("register_losses", "register_loses"),
        "implements an unknown hook 'register_loses'. Did you mean 'register_losses'? Known: ",
    ),
    "misspelled observer": (
        "@hookimpl\ndef run_start(run):\n    pass\n",
        "implements an unknown hook 'run_start'. Did you mean 'run_started'?",
    ),
    "hook with an argument": (
        NAMED + HOOK.replace("register_losses()", "register_losses(registry)"),
        "does not fit the hooks: hookimpl definition: register_losses(registry) Argument(s) {'registry'} are declared",
    ),
    "observer with an unknown argument": (
        "@hookimpl\ndef epoch_ended(run, epoch, accuracy):\n    pass\n",
        "does not fit the hooks: hookimpl definition: epoch_ended(run, epoch, accuracy) Argument(s) {'accuracy'}",
    ),
    "hook that raises": (
        "@hookimpl\ndef register_losses():\n    raise KeyError('weights')\n",
        "raised in register_losses(): KeyError: 'weights'.",
    ),
    "hook that returns nothing": (
        "@hookimpl\ndef register_losses():\n    pass\n",
        "must return a list of classes from register_losses(), got None.",
    ),
    "hook that returns a class": (
        NAMED + HOOK.replace("[Tried]", "Tried"),
        "must return a list of classes from register_losses(), got <class 'BROKEN.Tried'>.",
    ),
    "hook that yields": (
        NAMED + HOOK.replace("return [Tried]", "yield Tried"),
        "must return a list of classes from register_losses(), got <generator",
    ),
    "recipes that are a list": (
        "@hookimpl\ndef register_recipes():\n    return ['a.yaml']\n",
        "must return a mapping of names to files from register_recipes(), got ['a.yaml'].",
    ),
    "recipes that are text": (
        "@hookimpl\ndef register_recipes():\n    return {'a': 'a.yaml'}\n",
        "must map names to files, got 'a': 'a.yaml'.",
    ),
    "instance": (NAMED + HOOK.replace("[Tried]", "[Tried()]"), "which is no class: return the class itself"),
    "other kind": (
        NAMED + HOOK.replace("register_losses", "register_attacks"),
        "which does not subclass robustkit.Attack.",
    ),
    "plain class": ("class Tried:\n    name = 'tried'\n" + HOOK, "which does not subclass robustkit.Loss."),
    "abstract": (NAMED.replace("__call__", "forward") + HOOK, "which lacks the methods __call__."),
    "no decorator": (
        NAMED.replace("@dataclass(frozen=True)\n", "").replace('"tried"\n', '"tried"\n    scale: float = 1.0\n') + HOOK,
        "whose fields need the decorator @dataclass(frozen=True).",
    ),
    "not frozen": (
        NAMED.replace("(frozen=True)", ""),
        "could not be imported: TypeError: cannot inherit non-frozen dataclass from a frozen one.",
    ),
    "no name": (NAMED.replace('    name = "tried"\n', "") + HOOK, "which has no `name`."),
    "name of the parent": (
        NAMED
        + "\n@dataclass(frozen=True)\nclass Second(Tried):\n    scale: float = 2.0\n"
        + HOOK.replace("Tried", "Second"),
        "whose `name` must be its own, in lower case with hyphens, not 'tried'.",
    ),
    "name in capitals": (NAMED.replace('"tried"', '"Tried"') + HOOK, "in lower case with hyphens, not 'Tried'."),
    "name with underscores": (
        NAMED.replace('"tried"', '"i_tried"') + HOOK,
        "in lower case with hyphens, not 'i_tried'.",
    ),
    "name that is no text": (NAMED.replace('"tried"', "3") + HOOK, "which has no `name`."),
    "unknown annotation": (
        "from __future__ import annotations\n" + NAMED.replace('"tried"\n', '"tried"\n    scale: Scale = 1.0\n') + HOOK,
        "whose annotations cannot be read: name 'Scale' is not defined.",
    ),
    "field named use": (
        NAMED.replace('"tried"\n', '"tried"\n    use: str = "x"\n') + HOOK,
        "whose field 'use' has the name by which recipes say which component they mean: rename the field.",
    ),
}


@pytest.mark.parametrize(("source", "expected"), BROKEN.values(), ids=BROKEN)
def test_it_is_reported_by_name_and_takes_no_other_down(source, expected, install, loss_source):
    install("broken-one", source, version="0.3")
    install("a-neighbour", loss_source("neighbour-a"))
    install("z-neighbour", loss_source("neighbour-z"))
    registry = Plugins().registry
    (trouble,) = registry.troubles
    assert "plugin broken-one (broken-one 0.3)" in trouble
    assert expected.replace("BROKEN", "broken_one") in trouble
    assert "\n" not in trouble
    for name in ("neighbour-a", "neighbour-z", "cross-entropy"):
        assert registry.find("loss", name)
    assert registry.find("attack", "pgd")
    assert "tried" not in registry.components["loss"]


def test_what_is_sound_in_a_partly_broken_plugin_is_used(install):
    abstract = "class Half(Loss):\n    name = 'half'\n"
    install("partly", NAMED + abstract + HOOK.replace("[Tried]", "[Half, Tried]"))
    registry = Plugins().registry
    assert registry.find("loss", "tried")
    assert len(registry.troubles) == 1
    assert "which lacks the methods __call__." in registry.troubles[0]


def test_every_trouble_says_how_to_leave_the_plugin_out(install):
    for name, (source, _) in BROKEN.items():
        if "import" in name or "hook" in name:
            install(f"broken-{name.replace(' ', '-')}", source, plugin=f"b-{name.replace(' ', '-')}")
    troubles = Plugins().registry.troubles
    assert len(troubles) > 10
    for trouble in troubles:
        plugin = trouble.split("plugin ", 1)[1].split(" ", 1)[0]
        assert trouble.endswith(f"Leave it out with --disable {plugin} or ROBUSTKIT_DISABLE={plugin}.")


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("Nowhere.At-All>=2; extra == 'fast'", "which `pip install 'needy[fast]'` installs."),
        (
            'nowhere_at_all ; (python_version >= "3.8") and extra == "fast"',
            "which `pip install 'needy[fast]'` installs.",
        ),
        ("nowhere-at-all>=2", "which is not installed."),
        ("nowhere-at-all-too; extra == 'fast'", "which is not installed."),
        ("nowhere; extra == 'fast'", "which is not installed."),
    ],
)
def test_a_missing_dependency_names_the_extra_that_installs_it(requirement, expected, install):
    install("needy", "import nowhere_at_all\n", requires=["robustkit-torch", requirement])
    (trouble,) = Plugins().registry.troubles
    assert f"it needs 'nowhere_at_all', {expected}" in trouble


def test_a_half_installed_package_is_told_as_such(install):
    install("halfway", "").unlink()
    (trouble,) = Plugins().registry.troubles
    assert "its own module 'halfway' is missing, so the package is only half installed: install it again." in trouble


def test_an_entry_point_to_nothing_is_told(install):
    file = install("astray", "value = 3\n")
    (file.parent / "astray-1.0.dist-info" / "entry_points.txt").write_text("[robustkit]\nastray = astray:plugin\n")
    (trouble,) = Plugins().registry.troubles
    assert "AttributeError: module 'astray' has no attribute 'plugin'" in trouble


def test_one_module_named_by_two_entry_points_is_used_once(install, loss_source):
    file = install("twice", loss_source("double"))
    (file.parent / "twice-1.0.dist-info" / "entry_points.txt").write_text("[robustkit]\na = twice\nb = twice\n")
    registry = Plugins().registry
    assert registry.find("loss", "double").origin.plugin == "a"
    (trouble,) = registry.troubles
    assert trouble.startswith("plugin b (twice 1.0) is installed or named twice.")


def test_an_unknown_name_mentions_that_plugins_are_broken(install):
    with pytest.raises(PluginError) as sound:
        installed().registry.find("loss", "nothing-such")
    assert "could not be used" not in str(sound.value)
    install("broken-one", "1 / 0\n")
    with pytest.raises(PluginError, match="Some plugins could not be used, see `robustkit plugins`."):
        Plugins().registry.find("loss", "nothing-such")
