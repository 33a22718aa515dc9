"""The memory a run takes at its highest, and what it takes it for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from robustkit.engine.cost.memory import peak_memory
from robustkit.engine.run import Run


@dataclass(frozen=True)
class Footprint:
    """Bytes."""

    weights: int
    """Of all networks: the global learner's, the learners', their averages."""
    gradients: int
    """Of all learners."""
    optimizers: int
    """What the learners' optimizers keep."""
    training_activations: int
    """What a training pass keeps for its way back."""
    evaluation_activations: int
    """What an attack's forward keeps for its way back when networks are measured."""
    peak: int
    """All in all: on a GPU what tensors take there; on a CPU what the process has resident, libraries and data
    included, beside what is there only for a moment within an operator."""

    def plain(self) -> dict[str, int]:
        """As JSON holds it."""
        return asdict(self)


def footprint(run: Run, before: int, training: int, evaluation: int) -> Footprint:
    """The footprint of a run whose steps were tried.

    Args:
        run: the run.
        before: bytes in use before it was tried.
        training: bytes that a training pass keeps.
        evaluation: bytes an example that an attack's forward keeps.
    """
    attacks = {**run.recipe.evaluation.attacks, **run.recipe.evaluation.final_attacks}
    at_a_time = min(run.recipe.evaluation.batch_size, max(len(run.data.test), len(run.data.validation)))
    measuring = evaluation * at_a_time if attacks else 0
    learners = run.learners.values()
    weights = [run.merged, *(part for each in learners for part in (each.weights.raw, each.weights.average or {}))]
    gradients = _bytes(weight for each in learners for weight in each.model.parameters() if weight.requires_grad)
    optimizers = _bytes(kept for each in learners for kept in _kept(each.optimizer))
    expected = before + gradients + optimizers + max(training, measuring)
    return Footprint(
        weights=_bytes(tensor for part in weights for tensor in part.values()),
        gradients=gradients,
        optimizers=optimizers,
        training_activations=training,
        evaluation_activations=measuring,
        peak=max(expected, peak_memory(run.device)),
    )


def _kept(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, Tensor))


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)
