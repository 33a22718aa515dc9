"""A finished run, an evaluation of it, and the command in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from report_parts import SMALL, Page, Reported

from robustkit.cli.main import cli


def _invoke(*words: Any) -> tuple[int, str]:
    result = CliRunner().invoke(cli, [str(word) for word in words], prog_name="robustkit")
    return result.exit_code, result.output


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `run`, a finished run, and `evaluation`, of the run's robust learner; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    recipe = folder / "small.yaml"
    recipe.write_text(SMALL, encoding="utf-8")
    code, output = _invoke("run", recipe, "--output", folder / "run", "--quiet")
    assert code == 0, output
    words = ("--network", "robust", "--attack", "fgsm:eps=0.1", "--output", folder / "evaluation", "--quiet")
    code, output = _invoke("evaluate", folder / "run", "evaluation.manner.keep_images=false", *words)
    assert code == 0, output
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


@pytest.fixture
def reported() -> Reported:
    """The command `robustkit report`."""

    def called(*words: Any) -> tuple[int, str]:
        return _invoke("report", *words)

    return called


@pytest.fixture
def page_of(reported: Reported, tmp_path: Path) -> Callable[..., Page]:
    """`page_of(folder)`: its page, taken apart."""

    def read(*words: Any) -> Page:
        target = tmp_path / "page.html"
        code, output = reported(*words, "--output", target)
        assert code == 0, output
        return Page(target.read_text(encoding="utf-8"))

    return read
