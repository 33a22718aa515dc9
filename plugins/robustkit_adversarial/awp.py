"""Adversarial weight perturbation, around any strategy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.func import functional_call

from robustkit import Rate, Replay, Strategy, notes_dropped, rate_now


@dataclass(frozen=True)
class AWP(Strategy):
    """Minimizes another strategy's loss at weights moved a little in the direction in which it rises fastest.

    Wu, Xia, Wang: Adversarial Weight Perturbation Helps Robust Generalization, NeurIPS 2020: one step, each
    tensor of two or more dimensions moved by `gamma` times its own norm, as in the released code. Attacks are made
    once, against the weights as they are, and used for both passes; random numbers are those of the first pass. The
    first pass leaves BatchNorm's running statistics and the strategy's notes alone.
    """

    name = "awp"

    strategy: Strategy
    """Whose loss is minimized."""
    gamma: Annotated[Rate, Ge(0)] = 0.01
    """Size of the move, relative to each tensor's norm: a number, or a schedule. 0 leaves the strategy as it is."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The strategy's loss (scalar) at the moved weights; its gradient there is the weights' own."""
        gamma, replay = rate_now(self.gamma), Replay()
        if gamma == 0.0:
            return self.strategy.loss(model, images, labels)
        with replay.kept(), notes_dropped(), _restored(model, images.device):
            climb = _ascent(self.strategy.loss(model, images, labels), model)
        with replay.again():
            return self.strategy.loss(_Moved(model, climb, gamma), images, labels)


class _Moved(nn.Module):
    """The model with some of its weights moved; gradients reach the weights themselves."""

    def __init__(self, model: nn.Module, climb: Mapping[str, Tensor], gamma: float) -> None:
        super().__init__()
        self.model, self.training = model, model.training
        weights = dict(model.named_parameters())
        self.moved = {name: weights[name] + gamma * step for name, step in climb.items()}

    def forward(self, images: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = functional_call(self.model, self.moved, (images,))
        return logits


def _ascent(loss: Tensor, model: nn.Module) -> dict[str, Tensor]:
    """The direction in which the loss rises fastest: for each tensor, as long as the tensor itself."""
    named = {name: weight for name, weight in model.named_parameters() if weight.requires_grad and weight.ndim > 1}
    slopes = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {
        name: weight.detach().norm() * slope / slope.norm().clamp_min(1e-20)
        for (name, weight), slope in zip(named.items(), slopes, strict=True)
        if slope is not None
    }


@contextmanager
def _restored(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Give buffers (BatchNorm's statistics) and random generators back as they were."""
    before = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
    with torch.no_grad():
        for buffer, value in before:
            buffer.copy_(value)
