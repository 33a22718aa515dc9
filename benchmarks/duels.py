"""Attacks of robustkit beside torchattacks' attack of the same name, with the same budget."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import Perturb
from robustkit import Attack, make

Rival = Callable[[nn.Module, float], Perturb]
"""From the network and a radius to torchattacks' attack."""


@dataclass(frozen=True)
class Duel:
    """An attack of ours and theirs."""

    name: str
    """Of ours."""
    rival: str
    """Of theirs."""
    budget: str
    """In words."""
    ours: Mapping[str, Any]
    """Fields."""
    theirs: Mapping[str, Any]
    scaled: Mapping[str, float] = field(default_factory=dict)
    """Their fields that are shares of the radius."""
    radius: bool = True
    """Whether they are told one."""

    def attack(self, eps: float) -> Attack:
        """Ours."""
        fields = dict(self.ours) | ({"eps": eps} if self.radius else {})
        fields |= {name: eps * share for name, share in fields.pop("scaled", {}).items()}
        made: Attack = make("attack", self.name, **fields)
        return made

    def perturb(self, network: nn.Module, eps: float) -> Perturb:
        """Theirs."""
        fields = dict(self.theirs) | ({"eps": eps} if self.radius else {})
        fields |= {name: eps * share for name, share in self.scaled.items()}
        return torchattack(self.rival, network, **fields)


def torchattack(name: str, network: nn.Module, **fields: Any) -> Perturb:
    """An attack of torchattacks, which seeds torch's generator, and prints."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports use what other libraries have deprecated
        import torchattacks

    attack = getattr(torchattacks, name)(network, **fields)

    def run(images: Tensor, labels: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(io.StringIO()):
            torch.manual_seed(0)
            found: Tensor = attack(images, labels).detach()
        return found

    return run


DUELS = (
    Duel("fgsm", "FGSM", "1 step", {}, {}),
    Duel(
        "pgd",
        "PGD",
        "20 steps of eps/8, random start",
        {"steps": 20, "scaled": {"step_size": 1 / 8}},
        {"steps": 20},
        {"alpha": 1 / 8},
    ),
    Duel("mim", "MIFGSM", "10 steps of eps/10", {"steps": 10}, {"steps": 10}, {"alpha": 1 / 10}),
    Duel("apgd-ce", "APGD", "50 steps", {"steps": 50}, {"steps": 50}),
    Duel("apgd-dlr", "APGD", "50 steps", {"steps": 50}, {"steps": 50, "loss": "dlr"}),
    Duel("apgd-targeted", "APGDT", "9 targets, 10 steps", {"steps": 10}, {"steps": 10}),
    Duel("fab", "FAB", "10 steps", {"steps": 10}, {"steps": 10}),
    Duel("fab-targeted", "FAB", "9 targets, 10 steps", {"steps": 10}, {"steps": 10, "multi_targeted": True}),
    Duel("square", "Square", "1,000 queries", {"queries": 1000}, {"n_queries": 1000}),
)
"""Attacks inside a radius in Linf; what is compared is what they leave right."""
NEAREST = (
    Duel("deepfool", "DeepFool", "50 steps", {"steps": 50}, {"steps": 50}, radius=False),
    Duel(
        "cw-l2",
        "CW",
        "constant 1, 100 steps of 0.01",
        {"steps": 100, "search_steps": 1, "constant": 1.0, "step_size": 0.01},
        {"steps": 100, "c": 1, "lr": 0.01},
        radius=False,
    ),
)
"""Attacks for a small L2 norm; what is compared is the norms."""


def in_full(network: nn.Module, eps: float, steps: int) -> Perturb:
    """torchattacks' AutoAttack with so many steps in each of its gradient attacks, made of its own attacks.

    Its AutoAttack takes no number of steps and hands none on, so that each of them takes its own default: 10.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torchattacks
    attacks = [
        torchattacks.APGD(network, eps=eps, steps=steps),
        torchattacks.APGDT(network, eps=eps, steps=steps),
        torchattacks.FAB(network, eps=eps, steps=steps, multi_targeted=True),
        torchattacks.Square(network, eps=eps, n_queries=5000),
    ]
    return torchattack("MultiAttack", attacks)  # type: ignore[arg-type]
