"""Losses: what a learner minimizes, and an attack maximizes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from robustkit.components.component import Component
from robustkit.components.fields import Share


@dataclass(frozen=True)
class Loss(Component):
    """A loss per example; whoever uses it takes the mean."""

    kind: ClassVar[str] = "loss"

    @abstractmethod
    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the losses (N,) of logits (N, K) for labels (N,), int64; higher means more wrong."""


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of the softmax of the logits."""

    name = "cross-entropy"

    label_smoothing: Share = 0.0
    """Probability mass spread evenly over all classes."""

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The losses (N,)."""
        return functional.cross_entropy(logits, labels, reduction="none", label_smoothing=self.label_smoothing)
