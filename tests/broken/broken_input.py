"""How broken input is tried: written into an empty folder, run as a user would, and looked at afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from robustkit.cli.main import cli

BASE = """\
name: tried
epochs: 3
batch_size: 32
dataset: digits
architecture: small-cnn
learners:
  natural:
    strategy: natural
    optimizer: {use: sgd, lr: 0.1}
  robust:
    strategy:
      use: adversarial
      attack: {use: pgd, eps: 8/255, steps: 2}
    optimizer: {use: sgd, lr: {0: 0.1, 3: 0.01}}
aggregator:
  use: generalist
  mix: {robust: 0.5}
evaluation:
  attacks: {pgd-2: {use: pgd, eps: 8/255, steps: 2}}
device: cpu
"""
"""Nothing is wrong with it."""

UNFORESEEN = re.compile(r"Traceback|not foreseen")


@dataclass(frozen=True)
class Tried:
    """What a command answered."""

    exit_code: int
    text: str
    """Standard error."""


def changed(*changes: tuple[str, str]) -> str:
    """The sound recipe with some of its words replaced, each of which must be there once."""
    text = BASE
    for old, new in changes:
        assert text.count(old) == 1, (old, text.count(old))
        text = text.replace(old, new)
    return text


def run_command(*arguments: str) -> Tried:
    """`robustkit ARGUMENTS`, in this process."""
    result = CliRunner().invoke(cli, list(arguments))
    return Tried(result.exit_code, result.stderr)


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files, and folders where they need some."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).write_text(content, encoding="utf-8")


def everything_in(folder: Path) -> dict[str, bytes | None]:
    """Every file's content and every folder, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def assert_refused(folder: Path, arguments: tuple[str, ...], *expected: str, exit_code: int = 2) -> None:
    """The command ends with exit code 2 and a message, without a traceback, and leaves the folder as it was."""
    before = everything_in(folder)
    tried = run_command(*arguments)
    for part in expected:
        assert part in tried.text, f"expected {part!r} in:\n{tried.text}"
    assert not UNFORESEEN.search(tried.text), tried.text
    assert tried.exit_code == exit_code, tried.text
    assert everything_in(folder) == before, "a refused command leaves nothing behind"
