"""The command in this process, and what it is tried on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_parts import MEDIAN, TINY, Invoke
from click.testing import CliRunner, Result

from robustkit.cli.main import cli


@pytest.fixture
def invoke() -> Invoke:
    """`invoke("check", "generalist")`: the command in this process; its result has stdout, stderr and exit_code."""

    def invoked(*words: Any) -> Result:
        return CliRunner().invoke(cli, [str(word) for word in words], prog_name="robustkit")

    return invoked


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe file in an empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture
def median(tmp_path: Path) -> Path:
    """A single-file plugin with the aggregator `median`."""
    path = tmp_path / "my_median.py"
    path.write_text(MEDIAN, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a finished run of the tiny recipe; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    recipe = folder / "tiny.yaml"
    recipe.write_text(TINY, encoding="utf-8")
    result = CliRunner().invoke(cli, ["run", str(recipe), "--output", str(folder / "run")])
    assert result.exit_code == 0, result.output
    return folder / "run"
