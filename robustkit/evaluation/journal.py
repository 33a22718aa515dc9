"""Finished batches of an evaluation on disk: a killed one goes on where it was, and ends with the same result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustkit.errors import InputError, WeightsError
from robustkit.evaluation.outcome import Outcome, outcome_from
from robustkit.models.files import read_tensors, save_tensors, write_text
from robustkit.recipe.lock import differences

_TASK = "task.json"


class Journal:
    """A folder with one file a finished batch.

    Args:
        folder: made if it is not there.
        task: plain data that says what is measured; a folder begun with another is refused.

    Raises:
        InputError: the folder belongs to another evaluation; says in what it differs.
    """

    def __init__(self, folder: Path, task: Mapping[str, Any]) -> None:
        self.folder = folder
        task = json.loads(json.dumps(task))
        written = folder / _TASK
        if written.is_file():
            self._refuse_other(written, task)
        elif folder.is_dir() and any(not path.name.endswith(".partial") for path in folder.iterdir()):
            raise InputError(f"{folder}: expected a new folder or an unfinished evaluation, it has no {_TASK}.")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(written, json.dumps(task, indent=2) + "\n")

    def _refuse_other(self, written: Path, task: Mapping[str, Any]) -> None:
        try:
            begun = json.loads(written.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{written}: expected JSON, it cannot be read: {error}. Remove {self.folder}.") from error
        changed = differences(begun, task)
        if changed:
            raise InputError(
                f"{self.folder}: was begun with another evaluation: {'; '.join(changed[:3])}. Finish it as it was "
                "begun, remove it, or write elsewhere."
            )

    def read(self, part: str, number: int) -> tuple[Outcome, dict[str, Tensor]] | None:
        """A finished batch and its other columns, or None.

        Raises:
            WeightsError: its file is damaged.
        """
        path = self._path(part, number)
        if not path.is_file():
            return None
        tensors, header = read_tensors(path)
        try:
            return outcome_from(tensors, header["cost"]), tensors
        except (KeyError, TypeError) as error:
            raise WeightsError(f"{path}: this is no batch of an evaluation: {error}. Remove it.") from error

    def write(self, part: str, number: int, outcome: Outcome, **columns: Tensor) -> None:
        """Keep a finished batch, whole or not at all."""
        header = {"cost": outcome.plain()}
        save_tensors(self._path(part, number), {**outcome.columns(), **columns}, header)

    def _path(self, part: str, number: int) -> Path:
        return self.folder / part.replace("/", "+") / f"{number:06}.safetensors"


def fingerprint(model: nn.Module) -> str:
    """A digest of a network's parameters and buffers, by name."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        held = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {held.dtype} {tuple(held.shape)};".encode())
        digest.update(held.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
