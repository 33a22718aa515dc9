"""Optimizers: how a learner follows its gradients."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import nn

from robustkit.components.component import Component
from robustkit.components.schedule import Rate


@dataclass(frozen=True)
class Optimizer(Component):
    """Builds a torch optimizer; the engine sets its learning rate from `lr` before every batch."""

    kind: ClassVar[str] = "optimizer"

    lr: Annotated[Rate, Ge(0)]
    """Learning rate: a number, `{epoch: value}` with straight lines between, or a schedule."""

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        """Return a fresh optimizer at learning rate `lr`. The engine calls its `step(closure)`."""
