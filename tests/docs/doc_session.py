"""Runs a page's code blocks one after the other, in one folder and one Python namespace, as a reader would."""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner
from doc_blocks import Block
from recipe_pieces import check_yaml

from robustkit.cli.main import cli

ROOT = Path(__file__).parents[2]
NOT_RUN = re.compile(r"(python3 -m venv|\. \.venv|\.venv/bin|pip|ruff|mypy|lint-imports|pytest|sphinx-build)\b.*")
"""Installing, checking the project and building these pages are other tests' business."""
INERT = ("text", "toml", "")
"""Languages that are only shown."""


@dataclass
class Session:
    """A reader at a terminal and a notebook in an empty folder."""

    folder: Path
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    ran: int = 0
    skipped: list[str] = field(default_factory=list)

    def take(self, block: Block) -> None:
        """Run a block, or write the file it shows, or check what it says."""
        if "fragment" in block.words:
            self.skipped.append(str(block))
            return
        if block.caption:
            target = self.folder / block.caption
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        action = {"python": self._python, "yaml": self._yaml, "console": self._console}.get(block.language)
        if action is None:
            assert block.language in INERT, f"{block}: no rule for such blocks"
            return
        action(block)
        self.ran += 1

    def _python(self, block: Block) -> None:
        code = compile(block.text, f"{block.page.name}, block in line {block.line}", "exec")
        if not block.caption:
            exec(code, self.namespace)

    def _yaml(self, block: Block) -> None:
        if "fails" not in block.words:
            check_yaml(yaml.safe_load(block.text), str(block))

    def _console(self, block: Block) -> None:
        if block.card:
            return  # a card's commands train at full length; test_reference checks that they could be run
        for command, expected in commands(block.text):
            if NOT_RUN.match(command):
                self.skipped.append(f"{block}: {command}")
                continue
            code, output = self._run(command)
            wanted = code != 0 if "fails" in block.words else code == 0
            assert wanted, f"{block}: `{command}` ended with {code}:\n{output}"
            if "docs/figures/" in command:
                assert output.splitlines() == expected, f"{block}: `{command}` prints\n{output}"
            assert_shown(expected, output, f"{block}: `{command}`")

    def _run(self, command: str) -> tuple[int, str]:
        words = [expanded for word in shlex.split(command, comments=True) for expanded in _globbed(word)]
        if words[0] == "robustkit" and ";" not in command:
            return _robustkit(words[1:])
        if words[:1] == ["python"] and words[1].startswith("docs/figures/"):
            return 0, _script(words[1:])
        bin_folder = Path(sys.executable).parent
        environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The commands behind `$ `, each with the lines that are shown as its output."""
    found: list[tuple[str, list[str]]] = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ ").strip(), []))
        elif line.strip():
            assert found, f"output without a command: {line!r}"
            found[-1][1].append(line)
    return found


def assert_shown(expected: list[str], output: str, where: str) -> None:
    """The shown lines must come in the output, in this order; numbers may differ, and `...` stands for anything."""
    actual = [_plain(line) for line in output.splitlines()]
    place = 0
    for line in expected:
        if line.strip() == "...":
            continue
        pattern = re.compile(re.escape(_plain(line)).replace(r"\.\.\.", ".*"))
        place = next((n + 1 for n in range(place, len(actual)) if pattern.fullmatch(actual[n])), -1)
        assert place > 0, f"{where} does not print the line\n  {line}\nin its place, but:\n{output}"


def _plain(line: str) -> str:
    """A line without what differs between runs: numbers, and the width of columns."""
    return re.sub(r"\s+", " ", re.sub(r"\d+([.,]\d+)*", "0", line)).strip()


def _globbed(word: str) -> list[str]:
    return sorted(map(str, Path().glob(word))) or [word] if "*" in word else [word]


def _script(words: list[str]) -> str:
    """What a script of the documentation prints; run in this process, as torch takes seconds to import."""
    given, sys.argv = sys.argv, words
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    finally:
        sys.argv = given
    return printed.getvalue()


def _robustkit(words: list[str]) -> tuple[int, str]:
    """The command line in this process; `> FILE` takes what it prints to stdout."""
    target = words[words.index(">") + 1] if ">" in words else None
    result = CliRunner().invoke(cli, words[: words.index(">")] if target else words, prog_name="robustkit")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if target:
        Path(target).write_text(result.stdout, encoding="utf-8")
        return result.exit_code, result.stderr
    return result.exit_code, result.output
