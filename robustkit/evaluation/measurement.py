"""What an evaluation found, example by example, and the figures that follow from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from robustkit.evaluation.outcome import Record


@dataclass(frozen=True)
class Accuracy:
    """A share of examples, with its sample size."""

    correct: int
    examples: int

    @property
    def share(self) -> float:
        """Correct examples as a share of all, in [0, 1]."""
        return self.correct / self.examples

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson score interval (Wilson 1927) of the share; it speaks of the sample of examples only."""
        n, z = self.examples, 1.959963984540054
        centre = (self.share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(self.share * (1 - self.share) / n + z * z / (4 * n * n))
        # Rounding must not put 0 of n, or n of n, outside its own interval.
        return max(0.0, min(self.share, centre - half)), min(1.0, max(self.share, centre + half))

    def plain(self) -> dict[str, Any]:
        """As report.json holds it."""
        return {
            "accuracy": self.share,
            "correct": self.correct,
            "examples": self.examples,
            "interval": list(self.interval),
        }

    def __str__(self) -> str:
        """`93.1 % (90.4-95.1)`."""
        low, high = self.interval
        return f"{100 * self.share:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


@dataclass(frozen=True)
class Measurement:
    """Which examples one network got right, clean and under each attack."""

    natural: Tensor
    """(N,), bool: right on the clean image."""
    attacked: Mapping[str, Tensor] = field(default_factory=dict)
    """By attack, (N,), bool: right on the clean image and still right on the attacked one; where broken examples were
    dropped, also right under every attack before it."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time spent, by `natural` and attack."""
    record: Record | None = None
    """What became of each example; None where nobody kept it."""

    @property
    def worst_case(self) -> Tensor:
        """(N,), bool: right on the clean image and under every attack."""
        return torch.stack([self.natural, *self.attacked.values()]).all(0)

    def accuracies(self) -> dict[str, Accuracy]:
        """`natural`, each attack, and with two attacks or more `worst-case` over them, example by example."""
        parts = {"natural": self.natural, **self.attacked}
        if len(self.attacked) > 1:
            parts["worst-case"] = self.worst_case
        return {name: Accuracy(int(right.sum()), len(right)) for name, right in parts.items()}

    def plain(self) -> dict[str, dict[str, Any]]:
        """The accuracies as report.json holds them."""
        return {name: accuracy.plain() for name, accuracy in self.accuracies().items()}

    def passes(self) -> dict[str, dict[str, int]]:
        """By `natural`, attack and `ENSEMBLE/MEMBER`: images sent through the network, and led back to their pixels."""
        return {name: outcome.plain() for name, outcome in self.record.outcomes.items()} if self.record else {}

    def __repr__(self) -> str:
        """One line an accuracy."""
        lines = [f"  {name}: {accuracy}" for name, accuracy in self.accuracies().items()]
        return f"Measurement of {len(self.natural)} examples\n" + "\n".join(lines)
