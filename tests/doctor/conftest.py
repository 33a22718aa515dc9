"""The networks that defences are planted in, and a finished run, made once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from doctor_parts import RECIPE, Ward, planted_ward

from robustkit.cli.main import cli


@pytest.fixture(scope="session")
def ward() -> Ward:
    """A robust and a weak network; not to be changed."""
    return planted_ward(1)


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`doctor(run, "--eps", 0.1)`: the command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoked(*words: Any) -> Result:
        return CliRunner().invoke(cli, ["doctor", *(str(word) for word in words)], prog_name="robustkit")

    return invoked


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a short run with two learners; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "short.yaml").write_text(RECIPE, encoding="utf-8")
    result = CliRunner().invoke(cli, ["run", str(folder / "short.yaml"), "--output", str(folder / "run")])
    assert result.exit_code == 0, result.output
    return folder / "run"
