"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from robustkit import Optimizer
from robustkit.components.fields import Decay, NonNegative
from robustkit.errors import Problem


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with momentum: what nearly all adversarial training is done with."""

    name = "sgd"

    momentum: Decay = 0.9
    """Share of the last step's direction that is kept; 0 for none. torch's own default is 0."""
    weight_decay: NonNegative = 0.0
    """Multiple of the weights that is added to their gradient, BatchNorm's and biases included."""
    nesterov: bool = False
    """Whether momentum is Nesterov's."""

    def problems(self) -> Iterable[Problem]:
        """Nesterov's momentum needs some momentum."""
        if self.nesterov and self.momentum == 0:
            yield Problem(("nesterov",), "expected a momentum above 0 with Nesterov's momentum, got momentum 0.")

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        """torch's SGD, in its fused form: one pass over the weights."""
        settings: Any = {"momentum": self.momentum, "weight_decay": self.weight_decay, "nesterov": self.nesterov}
        return torch.optim.SGD(parameters, lr, **settings, fused=True)
