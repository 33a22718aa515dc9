"""An environment with robustkit's wheel and four strangers' packages, installed as users install them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

collect_ignore_glob = ["robustkit-*"]  # their own tests run where they are installed
ROOT = Path(__file__).parents[2]
PACKAGES = ("robustkit-median", "robustkit-extras", "robustkit-foolbox", "robustkit-art")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ROBUSTKIT", "PYTEST"))}


@dataclass(frozen=True)
class Environment:
    """A virtual environment; its commands run in an unrelated folder."""

    path: Path
    wheels: Path
    sources: Path
    elsewhere: Path

    @property
    def site(self) -> Path:
        """Where its own packages are."""
        return Path(sysconfig.get_path("purelib", vars={"base": str(self.path), "platbase": str(self.path)}))

    def run(self, *command: str) -> str:
        """Run a program of the environment; returns what it printed."""
        program = self.path / ("Scripts" if os.name == "nt" else "bin") / command[0]
        threads = {"OMP_NUM_THREADS": "1"}
        answer = subprocess.run(
            [str(program), *command[1:]],
            cwd=self.elsewhere,
            env=CLEAN | threads,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout


def pip(*arguments: str) -> None:
    """Run pip without a network."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    answer = subprocess.run(command, env=CLEAN, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Build the wheels, install them into an empty environment, and lend it this one's libraries.

    The lent folder comes behind its own, and path files in it are not followed: robustkit is the wheel's, also where
    this environment has an editable install of it.
    """
    top = tmp_path_factory.mktemp("packages")
    made = Environment(top / "venv", top / "wheels", top / "sources", top / "elsewhere")
    made.elsewhere.mkdir()
    sources = [
        copytree(Path(__file__).parent / name, made.sources / name, ignore=ignore_patterns("build", "*.egg-info"))
        for name in PACKAGES
    ]
    offline = ["--no-index", "--no-deps", "--quiet"]
    pip("wheel", *offline, "--no-build-isolation", "--wheel-dir", str(made.wheels), str(ROOT), *map(str, sources))
    venv.create(made.path, symlinks=os.name != "nt")
    python = made.path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip("--python", str(python), "install", *offline, *map(str, made.wheels.glob("*.whl")))
    lent = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (made.site / "lent-libraries.pth").write_text("".join(f"{path}\n" for path in lent))
    return made
