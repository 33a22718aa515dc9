"""Checkpoints: everything a run needs to go on, as tensors and JSON; nothing in them can run code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustkit.components.moment import Memory
from robustkit.components.weights import Weights, copy_
from robustkit.engine.learner import Learner
from robustkit.errors import TrainingError, WeightsError
from robustkit.models.files import read_tensors, save_tensors

_HELD = (Tensor, int, float, str, bool, type(None))
"""What of an optimizer's state a checkpoint holds."""


@dataclass
class Progress:
    """How far a run is: what a checkpoint holds beside tensors."""

    epoch: int = 0
    """Epochs finished."""
    selected_epoch: int | None = None
    """The epoch whose weights are kept so far, where validation selects."""
    selected_score: float | None = None
    """Its validation accuracy."""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    """The lines of metrics.jsonl."""


def save_checkpoint(path: Path, progress: Progress, merged: Weights, learners: Mapping[str, Learner]) -> None:
    """Write a checkpoint, beside the old one first, then in its place."""
    tensors = {f"merged/{name}": tensor for name, tensor in merged.items()}
    scalars: dict[str, Any] = {}
    for learner in learners.values():
        prefix = f"learners/{learner.name}"
        tensors |= {f"{prefix}/raw/{name}": tensor for name, tensor in learner.weights.raw.items()}
        tensors |= {f"{prefix}/average/{name}": tensor for name, tensor in (learner.weights.average or {}).items()}
        for strategy, notes in learner.memory.items():
            tensors |= {f"{prefix}/memory/{strategy}/{name}": tensor for name, tensor in notes.items()}
        for where, value in _optimizer_state(learner):
            (tensors if isinstance(value, Tensor) else scalars)[f"{prefix}/{where}"] = value
    save_tensors(path, tensors, {"progress": vars(progress), "scalars": scalars})


def _optimizer_state(learner: Learner) -> Iterator[tuple[str, Any]]:
    """What the optimizer keeps, by path: its state of each weight, and of each group what counts on (some keep steps).

    Raises:
        TrainingError: it keeps what a checkpoint cannot hold.
    """
    kept = learner.optimizer.state_dict()
    for index, state in kept["state"].items():
        for key, value in state.items():
            if not isinstance(value, _HELD):
                raise TrainingError(
                    f"learner {learner.name!r}: the optimizer keeps {key!r} as {type(value).__name__}, "
                    "which a checkpoint cannot hold: only tensors and plain values can be resumed from."
                )
            yield f"optimizer/{index}/{key}", value
    for index, group in enumerate(kept["param_groups"]):
        for key, value in group.items():
            if isinstance(value, _HELD):  # what else there is (betas, the list of weights) is as the recipe builds it
                yield f"groups/{index}/{key}", value


def load_checkpoint(path: Path, merged: Weights, learners: Mapping[str, Learner]) -> Progress:
    """Put a run's state back into freshly built learners.

    Raises:
        WeightsError: the checkpoint is missing, damaged, or of another run.
    """
    tensors, header = read_tensors(path)
    try:
        progress = Progress(**header["progress"])
        scalars = header["scalars"]
        _restore(merged, tensors, "merged")
        for learner in learners.values():
            prefix = f"learners/{learner.name}"
            _restore(learner.weights.raw, tensors, f"{prefix}/raw")
            if learner.weights.average is not None:
                _restore(learner.weights.average, tensors, f"{prefix}/average")
            learner.memory = _memory(tensors, f"{prefix}/memory/")
            _restore_optimizer(learner.optimizer, {**tensors, **scalars}, prefix)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: this checkpoint does not fit the recipe: {error}") from error
    return progress


def _restore(weights: Weights, tensors: Weights, prefix: str) -> None:
    copy_(weights, {name: tensors[f"{prefix}/{name}"] for name in weights})


def _memory(tensors: Weights, prefix: str) -> Memory:
    memory: Memory = {}
    for where, tensor in tensors.items():
        if where.startswith(prefix):
            strategy, name = where.removeprefix(prefix).split("/", 1)
            memory.setdefault(strategy, {})[name] = tensor
    return memory


def _restore_optimizer(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any], prefix: str) -> None:
    groups = optimizer.state_dict()["param_groups"]
    for index, values in _by_index(saved, f"{prefix}/groups/").items():
        groups[index] |= values
    state = _by_index(saved, f"{prefix}/optimizer/")
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for weight, kept in optimizer.state.items():
        for key, value in kept.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                # Files hold plain order; fused optimizers go through weights and state in the order of the memory.
                kept[key] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _by_index(saved: Mapping[str, Any], prefix: str) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for where, value in saved.items():
        if where.startswith(prefix):
            index, key = where.removeprefix(prefix).split("/", 1)
            found.setdefault(int(index), {})[key] = value
    return found
