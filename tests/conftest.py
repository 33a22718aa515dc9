"""Fixtures for all tests."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

SHARED_DATA = Path(__file__).parents[1].parent / "shared" / "data"
CACHE = Path(tempfile.gettempdir()) / "robustkit-test-data-v1"


# Deadlines measure the machine, which others may be using too.
settings.register_profile("robustkit", deadline=None)
settings.load_profile("robustkit")


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """`shared_data("mnist")`: a folder with that real data set, unpacked once a machine; skips where there is none.

    It holds `NAME/{train,test}.npz`, and for MNIST and Fashion-MNIST also the original files as torchvision reads them.
    """

    def unpacked(name: str) -> Path:
        target = CACHE / name
        if target.is_dir():
            return target
        if not (SHARED_DATA / name).is_dir():
            pytest.skip(f"needs the packed data set {name!r} in ../shared/data, which is not here")
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=CACHE) as temporary:
            whole = Path(temporary, "whole")
            command = [sys.executable, str(SHARED_DATA / "unpack.py"), str(whole), name]
            subprocess.run(command, check=True, capture_output=True)
            try:
                whole.rename(target)  # in one step, so that what is there is always complete
            except OSError:
                if not target.is_dir():  # otherwise another test process was faster
                    raise
        return target

    return unpacked
