"""Adversarial training against several attacks at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from robustkit import Attack, CrossEntropy, Loss, Strategy, perturb, remembered
from robustkit.errors import Problem
from robustkit_adversarial.modes import looking


@dataclass(frozen=True)
class MultiNorm(Strategy):
    """Minimizes the loss under several attacks, usually one for each of several norms, on one network.

    Tramer and Boneh: Adversarial Training and Robustness for Multiple Perturbations, NeurIPS 2019: `max`
    and `average`. `alternating` takes the attacks in turn, one a batch, and costs no more than one of them; drawing one
    at random instead is the stochastic adversarial training of Madaan, Shin, Hwang: Learning to Generate Noise for
    Multi-Attack Robustness, ICML 2021.
    """

    name = "multi-norm"

    attacks: tuple[Attack, ...]
    """Two or more; each is run against the learner's present weights."""
    combine: Literal["max", "average", "alternating"] = "average"
    """`max`: of each image, the attack under which the network in eval mode has the largest loss. `average`: the mean
    of all attacks' losses, in one forward of all attacked images together. `alternating`: one attack a batch."""
    criterion: Loss = CrossEntropy()
    """The loss on attacked images, by which `max` also chooses."""

    def problems(self) -> Iterable[Problem]:
        """Too few attacks."""
        if len(self.attacks) < 2:
            text = f"expected two attacks or more, got {len(self.attacks)}: for one there is `adversarial`."
            yield Problem(("attacks",), text)

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss (scalar) of the attacked images."""
        attacked = [perturb(attack, model, images, labels) for attack in self._due()]
        if self.combine == "max":
            attacked = [self._worst(model, attacked, labels)]
        return self.criterion(model(torch.cat(attacked)), labels.repeat(len(attacked))).mean()

    def _due(self) -> tuple[Attack, ...]:
        """The attacks of this batch."""
        if self.combine != "alternating":
            return self.attacks
        notes = remembered(self.name)
        turn = int(notes.get("turn", torch.tensor(0)))
        notes["turn"] = torch.tensor((turn + 1) % len(self.attacks))
        return (self.attacks[turn],)

    def _worst(self, model: nn.Module, attacked: list[Tensor], labels: Tensor) -> Tensor:
        with looking(model):
            losses = torch.stack([self.criterion(model(images), labels) for images in attacked])
        return torch.stack(attacked)[losses.argmax(dim=0), torch.arange(len(labels), device=labels.device)]
