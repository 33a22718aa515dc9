"""What must be instant: help, version, completion. None of it may import torch."""

from __future__ import annotations

import subprocess
import sys
import time

import click
import pytest
from cli_parts import Invoke, environment

from robustkit.cli.kinds import KINDS, counted, plural
from robustkit.cli.main import VERBS, cli
from robustkit.plugin import registry

HEAVY = ("torch", "pydantic", "yaml", "rich", "numpy")
PROBE = f"""
import atexit, sys
atexit.register(lambda: print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr))
from robustkit.cli.main import main
sys.argv[0] = "robustkit"
main()
"""


def probe(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROBE, *words]
    return subprocess.run(command, env=environment(**changes), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["run", "--help"], ["evaluate", "-h"], [], ["chekc"], ["run"]]
)
def test_help_and_usage_errors_import_nothing_heavy(words: list[str]) -> None:
    assert "HEAVY []" in probe(*words).stderr


def test_help_is_instant() -> None:
    def seconds() -> float:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "robustkit", "--help"], env=environment(), capture_output=True, check=True
        )
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("robustkit c", {"check", "compare"}),
        ("robustkit run gener", {"generalist", "generalist-cifar10", "generalist-released"}),
        ("robustkit check tra", {"trades"}),
        ("robustkit init pgd", {"pgd-at"}),
        ("robustkit list agg", {"aggregators"}),
        ("robustkit evaluate x --attacks trad", {"trades"}),
    ],
)
def test_completion_knows_verbs_recipes_and_kinds_without_torch(words: str, expected: set[str]) -> None:
    count = len(words.split()) - 1
    found = probe(COMP_WORDS=words, COMP_CWORD=str(count), _ROBUSTKIT_COMPLETE="bash_complete")
    completions = {line.split(",")[1] for line in found.stdout.splitlines()}
    assert expected <= completions
    assert all(completion.startswith(words.split()[-1]) for completion in completions)
    assert "HEAVY []" in found.stderr


def test_completion_offers_files_where_no_recipe_fits() -> None:
    found = probe(COMP_WORDS="robustkit run ./my", COMP_CWORD="2", _ROBUSTKIT_COMPLETE="bash_complete")
    assert found.stdout.split() == ["file,./my"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_of_each_shell(shell: str) -> None:
    found = probe(_ROBUSTKIT_COMPLETE=f"{shell}_source")
    assert "_ROBUSTKIT_COMPLETE" in found.stdout
    assert "HEAVY []" in found.stderr


def test_every_verb_has_help_that_fits_its_line(invoke: Invoke) -> None:
    overview = invoke("--help").stdout
    assert "..." not in overview.split("Commands:")[1]
    for verb in VERBS:
        result = invoke(verb, "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Usage: robustkit {verb} ")
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        assert command.name == verb
        assert command.get_short_help_str(64) in overview


def test_no_words_show_the_help(invoke: Invoke) -> None:
    result = invoke()
    assert "Commands:" in result.output


def test_version(invoke: Invoke) -> None:
    from importlib.metadata import version

    assert invoke("--version").stdout == f"robustkit {version('robustkit-torch')}\n"


def test_unknown_verbs_bring_the_nearest_to_mind(invoke: Invoke) -> None:
    result = invoke("evalute", "x")
    assert result.exit_code == 2
    assert "Did you mean 'evaluate'?" in result.stderr


def test_the_kinds_are_those_of_the_registry() -> None:
    assert tuple(registry.KINDS) == KINDS


def test_nouns_are_counted_in_english() -> None:
    assert counted(1, "strategy") == "1 strategy"
    assert counted(2000, "strategy") == "2,000 strategies"
    assert [plural(noun) for noun in ("loss", "class", "batch", "epoch")] == ["losses", "classes", "batches", "epochs"]
