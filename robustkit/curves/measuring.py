"""What curves over an attack's settings share: one network and its examples, measured again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robustkit.components.attack import Attack
from robustkit.components.examples import Examples
from robustkit.evaluation.evaluator import evaluate
from robustkit.evaluation.measurement import Accuracy
from robustkit.recipe.compute import Compute

Report = Callable[[str, int, int], None]
"""Told (what is measured, examples done, examples in all) after every batch."""


@dataclass(frozen=True)
class Bench:
    """A network, the examples, and how both are measured."""

    model: nn.Module
    examples: Examples
    name: str
    """The attack's name: with the seed it decides the attack's starts, so that every point has the same."""
    batch_size: int
    seed: int
    report: Report | None
    compute: Compute | None

    def natural(self) -> Tensor:
        """(N,), bool: which examples are right without an attack."""
        return evaluate(self.model, self.examples, batch_size=self.batch_size, compute=self.compute).natural

    def standing(self, attack: Attack, label: str, among: Tensor | None = None) -> Tensor:
        """(N,), bool: which examples stand under the attack; with `among` (N,), which of these: no other is tried.

        `label` says what is measured to whoever hears the report.
        """
        chosen = torch.arange(len(self.examples)) if among is None else among.nonzero().flatten()
        standing = torch.zeros(len(self.examples), dtype=torch.bool)
        if len(chosen):
            settings: dict[str, Any] = {"batch_size": self.batch_size, "seed": self.seed, "compute": self.compute}
            part = self.examples if among is None else self.examples.subset(chosen)
            found = evaluate(self.model, part, {self.name: attack}, report=self._heard(label), **settings)
            standing[chosen] = found.attacked[self.name]
        return standing

    def _heard(self, label: str) -> Report:
        def heard(part: str, done: int, total: int) -> None:
            if self.report is not None and part != "natural":
                self.report(label, done, total)

        return heard


def accuracy(right: Tensor) -> Accuracy:
    """The share of examples (N,) that are right."""
    return Accuracy(int(right.sum()), len(right))


def accuracy_from(plain: Any) -> Accuracy:
    """An accuracy as `Accuracy.plain` wrote it."""
    return Accuracy(int(plain["correct"]), int(plain["examples"]))
