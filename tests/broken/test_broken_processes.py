"""A handful of broken input through the real command, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from broken_input import BASE, everything_in, write

TRIED = {
    "a broken recipe": (
        ["run", "broken.yaml", "--output", "results"],
        "broken.yaml:2:9: epochs: expected a whole number",
    ),
    "a broken plugin": (
        ["run", "sound.yaml", "--plugin", "broken.py", "--output", "results"],
        "--plugin broken.py:1: cou",
    ),
    "too much held out": (
        ["run", "sound.yaml", "validation_examples=2000", "--output", "results"],
        "validation_examples is",
    ),
    "no weights": (["evaluate", "sound.yaml", "--output", "results"], "sound.yaml: expected a safetensors file"),
    "no verb": (["rum", "sound.yaml"], "there is no verb 'rum'. Did you mean 'run'?"),
}


@pytest.fixture(scope="module")
def tried(tmp_path_factory) -> dict[str, tuple[int, str, str, bool]]:
    """Exit code, both outputs, and whether the folder is as it was; all started at once."""

    def answer(name: str) -> tuple[int, str, str, bool]:
        folder = tmp_path_factory.mktemp("process")
        broken = BASE.replace("epochs: 3", "epochs: 0")
        write(folder, {"sound.yaml": BASE, "broken.yaml": broken, "broken.py": "import nowhere_at_all\n"})
        before = everything_in(folder)
        command = [sys.executable, "-m", "robustkit", *TRIED[name][0]]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr, everything_in(folder) == before

    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(zip(TRIED, pool.map(answer, TRIED), strict=True))


@pytest.mark.parametrize("name", TRIED)
def test_exit_code_2_one_message_no_traceback_nothing_left(name, tried):
    code, output, errors, unchanged = tried[name]
    assert code == 2
    assert output == ""
    assert TRIED[name][1] in errors
    assert "Traceback" not in errors
    assert unchanged
