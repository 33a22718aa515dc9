"""The results folder of a run: what lies where, written so that a killed run never leaves half a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robustkit.errors import InputError, WeightsError
from robustkit.models.files import write_text
from robustkit.recipe.loader import LOCK


class RunFolder:
    """Paths and small files of one results folder."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.lock = self.path / LOCK
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.metrics = self.path / "metrics.jsonl"
        self.report = self.path / "report.json"
        self.report_text = self.path / "report.md"
        self.profile = self.path / "profile.json"
        self.trace = self.path / "trace.json.gz"

    def weights(self, network: str) -> Path:
        """The weights file of the global learner (`global`) or a learner."""
        return self.path / "weights" / f"{network}.safetensors"

    def examples(self, network: str) -> Path:
        """What became of each test example under the final attacks on a network."""
        return self.path / "examples" / f"{network}.safetensors"

    def unfinished(self, network: str) -> Path:
        """Finished batches of a network's final evaluation, until the report is written."""
        return self.path / "unfinished" / network

    def remove_unfinished(self) -> None:
        """What the final evaluation kept in case it is killed: the report is written, so it is needed no more."""
        shutil.rmtree(self.path / "unfinished")

    def withdraw(self) -> None:
        """Remove the folder while it holds nothing but the lock: bad input leaves nothing behind."""
        if self.path.is_dir() and list(self.path.iterdir()) == [self.lock]:
            self.lock.unlink()
            self.path.rmdir()

    def write_metrics(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Replace metrics.jsonl, one object an epoch."""
        write_text(self.metrics, "".join(json.dumps(line) + "\n" for line in lines))

    def read_json(self, path: Path) -> Any:
        """A JSON file's content.

        Raises:
            WeightsError: it is missing or damaged.
        """
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise WeightsError(f"{path}: there is no such file. Is {self.path} a finished run?") from None
        except (OSError, ValueError) as error:
            raise WeightsError(f"{path}: expected JSON, it cannot be read: {error}.") from error

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl.

        Raises:
            WeightsError: it is missing or damaged.
        """
        try:
            return [json.loads(line) for line in self.metrics.read_text(encoding="utf-8").splitlines()]
        except FileNotFoundError:
            raise WeightsError(f"{self.metrics}: there is no such file. Is {self.path} a results folder?") from None
        except (OSError, ValueError) as error:
            raise WeightsError(
                f"{self.metrics}: expected one JSON object a line, it cannot be read: {error}."
            ) from error


def new_folder(name: str, output: str | Path | None) -> Path:
    """Where a new run writes: `output`, or the first free of runs/NAME, runs/NAME-2, ... It is not made yet.

    Raises:
        InputError: `output` is there already.
    """
    if output is not None:
        path = Path(output)
        try:
            taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
        except OSError as error:
            raise InputError(f"{path}: cannot be a results folder: {error.strerror}.") from error
        if taken:
            raise InputError(
                f"{path}: is there already. Choose another --output, or go on with --resume if it is the same run."
            )
        return path
    number, path = 1, Path("runs") / name
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path


def claimed_folder(name: str) -> Path:
    """Make the first free of runs/NAME, runs/NAME-2, ...; of runs started together, each gets its own."""
    while True:
        path = new_folder(name, None)
        try:
            make_folder(path, new=True)
        except FileExistsError:  # another run was faster
            continue
        return path


def make_folder(path: Path, *, new: bool = False) -> None:
    """Make a folder and those above it.

    Raises:
        FileExistsError: it is there already and should be `new`.
        InputError: it cannot be made there.
    """
    try:
        path.mkdir(parents=True, exist_ok=not new)
    except FileExistsError:
        raise
    except OSError as error:
        raise InputError(f"{path}: this folder cannot be made: {error.strerror}.") from error
