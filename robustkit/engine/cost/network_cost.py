"""What measuring a network costs, an example: clean, and for each question that an attack asks it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from robustkit.attacking.isolation import modes_restored
from robustkit.components.attack import Attack, Budget
from robustkit.components.examples import Examples, TensorExamples
from robustkit.components.phases import watched
from robustkit.engine.cost.operations import counting
from robustkit.engine.cost.queries import Queries
from robustkit.engine.cost.saved import SavedBytes
from robustkit.engine.run import Run
from robustkit.evaluation.evaluator import evaluate
from robustkit.evaluation.measurement import Measurement

_FEW = 8


@dataclass(frozen=True)
class NetworkCost:
    """Costs an example, in seconds or in floating-point operations."""

    natural: float
    """Of measuring it clean."""
    attacked: float
    """Of attacking it without asking the network anything, and looking at the result."""
    forward: float
    """Of one forward within an attack."""
    backward: float
    """Of leading its gradient back to the pixels, after a forward."""

    @classmethod
    def solved(cls, clean: float, nothing: float, forwards: float, gradients: float) -> NetworkCost:
        """From the costs of measuring clean, and under each of `_PROBES`."""
        return cls(clean, nothing, max(0.0, forwards - nothing) / 2, max(0.0, gradients - forwards) / 2)

    def of(self, queries: Queries) -> float:
        """Of an attack that asks so often, without the attack's own time."""
        return self.attacked + queries.forwards * self.forward + queries.backwards * self.backward


@dataclass(frozen=True)
class _Probe(Attack):
    """Asks the network so often, and changes nothing."""

    name: ClassVar[str] = "probe"

    forwards: int = 0
    """Forwards without gradients."""
    gradients: int = 0
    """Forwards whose gradient is led back to the pixels."""

    @property
    def budget(self) -> Budget:
        """It moves nothing."""
        return Budget("Linf", 0.0)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Ask."""
        for _ in range(self.forwards):
            with torch.no_grad():
                model(images)
        for _ in range(self.gradients):
            asked = images.clone().requires_grad_()
            torch.autograd.grad(model(asked).sum(), asked)
        return images


_PROBES = (_Probe(), _Probe(forwards=2), _Probe(gradients=2))


class NetworkTrial:
    """The run's network, asked as the evaluation asks it, about test images labelled with what it predicts."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def seconds(self, budget: float) -> tuple[NetworkCost, int]:
        """Costs in seconds, measured for about so many seconds; and on how many examples at a time."""
        few = self._examples(_FEW)
        self._round(few)
        began = time.perf_counter()
        self._round(few)
        affordable = int(_FEW * budget / (3 * (time.perf_counter() - began)))
        count = max(1, min(affordable, self._run.recipe.evaluation.batch_size, len(self._run.data.test)))
        examples, rounds = self._examples(count), list[list[float]]()
        self._round(examples)
        began = time.perf_counter()
        while not rounds or time.perf_counter() - began < budget / 2:
            rounds.append(self._round(examples))
        return NetworkCost.solved(*(sum(parts) / len(rounds) / count for parts in zip(*rounds, strict=True))), count

    def operations(self) -> NetworkCost:
        """Costs in floating-point operations."""
        examples = self._examples(_FEW)

        def counted(**attacks: Attack) -> float:
            with counting() as operations:
                self._measured(examples, attacks)
            return operations.flops / _FEW

        # The first attack of an evaluation looks the network over, however many examples there are.
        clean, first = counted(), counted(first=_Probe())
        return NetworkCost.solved(clean, *(counted(first=_Probe(), then=probe) - first for probe in _PROBES))

    def activations(self) -> int:
        """Bytes an example that a forward within an attack keeps for its way back."""
        saved = SavedBytes("attack", self._run.model.parameters())
        with saved.counted(), watched(saved):
            self._measured(self._examples(_FEW), {"": _Probe(gradients=1)})
        return saved.most // _FEW

    def _round(self, examples: Examples) -> list[float]:
        return list(
            self._measured(examples, {str(index): probe for index, probe in enumerate(_PROBES)}).seconds.values()
        )

    def _measured(self, examples: Examples, attacks: Mapping[str, Attack]) -> Measurement:
        return evaluate(self._run.model, examples, attacks, batch_size=len(examples), compute=self._run.recipe.compute)

    @torch.no_grad()
    def _examples(self, count: int) -> Examples:
        """So many test examples, over again where there are fewer, that the network gets right."""
        test, model = self._run.data.test, self._run.model
        images = test.images(torch.arange(count, device=test.labels.device) % len(test))
        with modes_restored(model):
            labels = model.eval()(images.to(self._run.device, self._run.data.dtype)).argmax(1)
        return TensorExamples(images, labels.to(images.device), test.class_names)
