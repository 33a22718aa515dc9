"""A finished run, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from curve_parts import TINY

import robustkit


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a finished run of two learners; not to be changed."""
    folder = tmp_path_factory.mktemp("curves")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    return robustkit.run(folder / "tiny.yaml", output=folder / "run").path
