"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from robustkit import Optimizer
from robustkit.components.fields import Decay, NonNegative, Positive


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: steps scaled by running moments of the gradient. Kingma and Ba: Adam, ICLR 2015."""

    name = "adam"

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay of the running mean of the gradient, and of its square."""
    eps: Positive = 1e-8
    """Added to the root of the squared gradient's mean, so that no step divides by 0."""
    weight_decay: NonNegative = 0.0
    """Multiple of the weights that is added to their gradient, BatchNorm's and biases included."""

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        """torch's Adam, in its fused form: one pass over the weights."""
        settings: Any = {"betas": self.betas, "eps": self.eps, "weight_decay": self.weight_decay}
        return torch.optim.Adam(parameters, lr, **settings, fused=True)


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with weight decay apart from the gradient. Loshchilov and Hutter: Decoupled Weight Decay, ICLR 2019."""

    name = "adamw"

    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay of the running mean of the gradient, and of its square."""
    eps: Positive = 1e-8
    """Added to the root of the squared gradient's mean, so that no step divides by 0."""
    weight_decay: NonNegative = 0.01
    """Each step shrinks the weights, BatchNorm's and biases included, by lr times this. The default is torch's."""

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        """torch's AdamW, in its fused form: one pass over the weights."""
        settings: Any = {"betas": self.betas, "eps": self.eps, "weight_decay": self.weight_decay}
        return torch.optim.AdamW(parameters, lr, **settings, fused=True)
