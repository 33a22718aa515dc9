"""Plugins on the command line: single files, left out, broken, listed; and what unforeseen errors look like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_parts import Invoke


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed plugin, `bad`, whose import fails; returns its distribution's name."""
    site = tmp_path / "site"
    info = site / "robustkit_bad-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: robustkit-bad\nVersion: 1.2\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[robustkit]\nbad = robustkit_bad\n", encoding="utf-8")
    (site / "robustkit_bad.py").write_text("raise RuntimeError('out of order')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(site)
    return "robustkit-bad"


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_plugin_file_can_be_named_before_and_after_the_verb(
    invoke: Invoke, tiny: Path, median: Path, order: str
) -> None:
    plugin, verb = ["--plugin", median], ["check", tiny, "aggregator=median"]
    words = [*plugin, *verb] if order == "before" else [*verb, *plugin]
    result = invoke(*words)
    assert result.exit_code == 0
    assert "aggregator median" in result.stdout
    assert invoke(*verb).exit_code == 2


def test_a_missing_plugin_file_is_bad_input(invoke: Invoke, tiny: Path) -> None:
    result = invoke("check", tiny, "--plugin", "nowhere.py")
    assert result.exit_code == 2
    assert result.stderr == "error: --plugin nowhere.py: there is no such file.\n"


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_disabled_plugin_is_gone(invoke: Invoke, tiny: Path, order: str) -> None:
    words = (
        ["--disable", "generalist", "check", tiny] if order == "before" else ["check", tiny, "--disable", "generalist"]
    )
    result = invoke(*words)
    assert result.exit_code == 2
    assert "unknown aggregator 'generalist'" in result.stderr


def test_a_plugin_that_is_not_there_cannot_be_disabled(invoke: Invoke, tiny: Path) -> None:
    result = invoke("check", tiny, "--disable", "generalst")
    assert result.exit_code == 2
    assert "Did you mean 'generalist'?" in result.stderr


def test_plugins_lists_what_each_brings(invoke: Invoke, median: Path) -> None:
    result = invoke("plugins", "--plugin", median, "--disable", "torchattacks")
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert result.exit_code == 0
    assert lines["generalist"].split()[3:] == ["in", "use", "1", "aggregator"]
    assert str(median) in lines["my_median"]
    assert lines["torchattacks"].split()[3:] == ["disabled", "-"]


def test_plugins_as_json(invoke: Invoke, median: Path, broken: str) -> None:
    found = json.loads(invoke("plugins", "--json", "--plugin", median).stdout)
    plugins = {plugin["name"]: plugin for plugin in found["plugins"]}
    assert plugins["my_median"]["brings"] == {"aggregator": ["median"]}
    assert plugins["recipes"]["brings"]["recipe"]
    assert plugins["bad"]["status"] == "broken"
    assert (plugins["bad"]["distribution"], plugins["bad"]["version"]) == (broken, "1.2")
    assert plugins["bad"]["troubles"] == found["troubles"]


def test_a_broken_plugin_is_shown_in_full_and_fails_only_when_asked(invoke: Invoke, broken: str) -> None:
    result = invoke("plugins")
    assert result.exit_code == 0
    assert "plugin bad (robustkit-bad 1.2) could not be imported: RuntimeError: out of order." in result.stdout
    assert "--disable bad" in result.stdout
    assert invoke("plugins", "--check").exit_code == 2
    assert invoke("plugins", "--check", "--disable", "bad").exit_code == 0


def test_a_broken_plugin_is_one_warning_everywhere_else(invoke: Invoke, tiny: Path, broken: str) -> None:
    result = invoke("check", tiny)
    assert result.exit_code == 0
    assert result.stdout.startswith("ok: tiny")
    assert result.stderr.startswith("warning: 1 trouble with installed plugins")
    assert result.stderr.count("out of order") == 1
    assert invoke("check", tiny, "--disable", "bad").stderr == ""


def test_a_plugin_that_brings_a_taken_name_is_in_trouble(invoke: Invoke, tiny: Path, tmp_path: Path) -> None:
    text = "from robustkit import hookimpl\nfrom robustkit_natural import *\n"
    clash = tmp_path / "clash.py"
    clash.write_text(text + "@hookimpl\ndef register_strategies():\n    return [3]\n", encoding="utf-8")
    result = invoke("check", tiny, "--plugin", clash)
    assert result.exit_code == 2
    assert "which is no class" in result.stderr


FAILING = """\
from dataclasses import dataclass
from robustkit import Dataset, hookimpl

@dataclass(frozen=True)
class Failing(Dataset):
    name = "failing"

    def load(self, split):
        raise ZeroDivisionError("by\\nzero")

@hookimpl
def register_datasets():
    return [Failing]
"""


def test_unforeseen_errors_are_one_line_and_a_traceback_on_demand(
    invoke: Invoke, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("failing.py").write_text(FAILING, encoding="utf-8")
    words = ["run", tiny, "dataset=failing", "--plugin", "failing.py"]
    result = invoke(*words)
    assert result.exit_code == 1
    assert result.stderr == (
        "error: ZeroDivisionError: by zero\nThis was not foreseen. ROBUSTKIT_TRACEBACK=1 shows where it was raised.\n"
    )
    monkeypatch.setenv("ROBUSTKIT_TRACEBACK", "1")
    result = invoke(*words)
    assert result.exit_code == 1
    assert 'failing.py", line 9, in load' in result.stderr
    assert result.stderr.endswith("error: ZeroDivisionError: by zero\n")
    assert not Path("runs").exists()
