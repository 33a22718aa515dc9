"""The built documentation, and runs that are quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from robustkit import Recipe
from robustkit.engine import launch

ROOT = Path(__file__).parents[2]
QUICK = (
    "batch_size=16",
    "train_examples=16",
    "validation_examples=10",
    "evaluation.every_epochs=1000",
    "evaluation.test_examples=10",
)
"""One batch an epoch, and little to measure; everything else of a recipe stays."""


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where the HTML pages are, and what the build had to say; warnings are errors, which leave it without pages."""
    pytest.importorskip("sphinx", reason="the documentation needs the extra `docs`")
    out = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(out / "doctrees")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(ROOT / "docs"), str(out / "html")], env=environment, capture_output=True, text=True, check=False
    )
    return out / "html", f"{done.stdout}{done.stderr}" if done.returncode else ""


@pytest.fixture(scope="session")
def built(build: tuple[Path, str]) -> Path:
    """The HTML pages."""
    pages, failure = build
    if failure:
        pytest.skip("the documentation does not build: test_the_documentation_builds says why")
    return pages


@pytest.fixture
def quick_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """`robustkit.run` and the command take few examples, unless they are handed a recipe that is already built."""
    whole = launch.run

    def quick(recipe: Any, *overrides: str, **options: Any) -> Any:
        return whole(recipe, *overrides, *(() if isinstance(recipe, Recipe) else QUICK), **options)

    monkeypatch.setattr(launch, "run", quick)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # forty checkpoints a run wait for the disk otherwise
