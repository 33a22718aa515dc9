"""What became of each example, in one file: safetensors with a JSON header that says how it was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustkit.errors import WeightsError
from robustkit.evaluation.outcome import Outcome, Record, outcome_from
from robustkit.models.files import read_tensors, save_tensors

_KIND = "examples"


def save_record(path: str | Path, record: Record, header: Mapping[str, Any] | None = None) -> None:
    """Write a record.

    Tensors are called `names`, `labels`, `broken_by`, `worst:COLUMN` and `PART:COLUMN`, where PART is `natural`, an
    attack or `ENSEMBLE/MEMBER`, and COLUMN one of prediction, loss, linf, l2 and, of `worst` only and where they were
    kept, images.

    Args:
        path: of the file, replaced if it is there.
        record: what to write.
        header: plain data to be kept beside it: network, attacks, seed, say.
    """
    tensors = {"names": record.names, "labels": record.labels, "broken_by": record.broken_by}
    tensors |= {f"worst:{column}": tensor for column, tensor in record.worst.columns().items()}
    for part, outcome in record.outcomes.items():
        columns = outcome.columns()
        tensors |= {f"{part}:{column}": tensor for column, tensor in columns.items() if column != "images"}
    cost = {part: outcome.plain() for part, outcome in record.outcomes.items()}
    save_tensors(Path(path), tensors, {**(header or {}), "kind": _KIND, "cost": cost})


def read_record(path: str | Path) -> tuple[Record, dict[str, Any]]:
    """A record and the header it was written with.

    Raises:
        WeightsError: the file is missing, damaged, or holds something else.
    """
    tensors, header = read_tensors(Path(path))
    if header.get("kind") != _KIND:
        raise WeightsError(f"{path}: expected a file of examples (examples/NETWORK.safetensors of a results folder).")
    try:
        nothing = {"forwards": 0, "backwards": 0}
        parts = {part: _outcome(tensors, part, cost) for part, cost in header["cost"].items()}
        worst = _outcome(tensors, "worst", nothing)
        record = Record(tensors["names"], tensors["labels"], parts, worst, tensors["broken_by"])
        sizes = {len(tensor) for tensor in tensors.values()}
    except (KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path}: it lacks what a file of examples must hold: {error}.") from error
    if len(sizes) != 1:
        raise WeightsError(f"{path}: it is damaged, its columns are of different lengths: {sorted(sizes)}.")
    return record, header


def _outcome(tensors: Mapping[str, Tensor], part: str, cost: Mapping[str, int]) -> Outcome:
    own = {name.rpartition(":")[2]: held for name, held in tensors.items() if name.rpartition(":")[0] == part}
    return outcome_from(own, cost)


def pairs(first: Record, second: Record) -> tuple[Tensor, Tensor]:
    """The places (n,), (n,) at which two records hold the same image with the same label, each image once.

    An image that is twice in one of them is paired by its first place.
    """
    places: dict[tuple[int, int], int] = {}
    for place, key in enumerate(zip(second.names.tolist(), second.labels.tolist(), strict=True)):
        places.setdefault(key, place)
    found: dict[tuple[int, int], tuple[int, int]] = {}
    for place, key in enumerate(zip(first.names.tolist(), first.labels.tolist(), strict=True)):
        if key in places:
            found.setdefault(key, (place, places[key]))
    matched = torch.tensor(list(found.values()), dtype=torch.int64).reshape(-1, 2)
    return matched[:, 0], matched[:, 1]
