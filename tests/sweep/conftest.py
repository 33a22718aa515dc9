"""The tiny recipe in an empty folder, which is the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweep_parts import TINY


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path
