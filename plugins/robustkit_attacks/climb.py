"""Auto-PGD's walk: steps with momentum whose length is halved, example by example, where they no longer help."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields
from typing import Self, TypeAlias

import torch
from torch import Tensor, nn

from robustkit_attacks.ascent import Worst
from robustkit_attacks.geometry import Ball
from robustkit_attacks.slope import height, slope

Objective: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Losses (N,) of logits (N, K), labels (N,) and targets (N,)."""

MOMENTUM = 0.75
"""Weight of the newest step against the movement before it: the paper's alpha."""
_CHECKS, _FASTER, _SHARE = 20, 2.0, 0.5
"""How often in a run it is asked who has hope, and how generously: see `Halving.hopeful`."""
_CROWD = 8
"""Broken examples are taken out once they are one of so many: each new batch size costs time of its own."""


@dataclass(frozen=True)
class Part:
    """Some of the examples of an attacked batch."""

    places: Tensor
    """(N,), int64, where in the batch each belongs."""
    clean: Tensor
    """(N, ...), their images."""
    labels: Tensor
    """(N,), int64."""
    targets: Tensor
    """(N,), int64, the classes they are pushed to; without a target, their labels."""

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.places)

    def only(self, chosen: Tensor) -> Part:
        """Those that are chosen (N,), bool."""
        return Part(self.places[chosen], self.clean[chosen], self.labels[chosen], self.targets[chosen])


@dataclass
class Climb(ABC):
    """Where every example of one run is. The first dimension of every tensor is the examples still in it."""

    region: Ball
    part: Part
    images: Tensor
    """Where each example is now; at the beginning, its start."""
    losses: Tensor = field(init=False)
    gradient: Tensor = field(init=False)
    best_images: Tensor = field(init=False)
    best_losses: Tensor = field(init=False)
    best_gradient: Tensor = field(init=False)
    sizes: Tensor = field(init=False)
    """Each example's step length in the ball's norm, shaped to broadcast over its image."""

    def __post_init__(self) -> None:
        """Begin at the start."""
        self.best_images = self.images
        self.gradient = self.best_gradient = torch.zeros_like(self.images)
        # A start is the best so far, and no rise.
        self.losses = torch.full_like(self.part.labels, torch.inf, dtype=self.images.dtype)
        self.best_losses = -self.losses
        self.sizes = self.column(torch.full_like(self.losses, self.longest))

    @property
    @abstractmethod
    def longest(self) -> float:
        """The first step's length, measured in the ball's norm."""

    @abstractmethod
    def checks(self, steps: int) -> Mapping[int, int]:
        """After which steps lengths are reconsidered, and how many steps lie between each of them and the last."""

    @abstractmethod
    def advance(self) -> None:
        """Take a step along the gradient."""

    @abstractmethod
    def reconsider(self, span: int) -> None:
        """Change the lengths of steps where the last `span` steps say so."""

    def hopeful(self, step: int, steps: int) -> Tensor | None:
        """Who should go on after this step (N,), bool; None where that is not asked."""
        return None

    def look(self, model: nn.Module, objective: Objective, *, last: bool) -> Tensor:
        """Compute losses and, but for the last image of all, gradients; remember the best. Return the logits."""
        known = self.part.labels, self.part.targets
        if last:
            logits, self.losses = height(model, objective, self.images, *known)
        else:
            logits, self.losses, self.gradient = slope(model, objective, self.images, *known)
        better = self.losses > self.best_losses
        self.best_losses = torch.where(better, self.losses, self.best_losses)
        self.best_images = torch.where(self.column(better), self.images, self.best_images)
        self.best_gradient = torch.where(self.column(better), self.gradient, self.best_gradient)
        return logits

    def column(self, values: Tensor) -> Tensor:
        """One value an example, shaped to broadcast over the images."""
        return values.reshape(-1, *[1] * (self.images.ndim - 1))

    def back_to_best(self, chosen: Tensor) -> None:
        """Go on from the best image where chosen (N,)."""
        chosen = self.column(chosen)
        self.images = torch.where(chosen, self.best_images, self.images)
        self.gradient = torch.where(chosen, self.best_gradient, self.gradient)

    def only(self, chosen: Tensor) -> Self:
        """The chosen (N,) examples, each where it is."""
        other = copy(self)
        other.part = self.part.only(chosen)
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, Tensor):
                setattr(other, part.name, value[chosen])
        return other


@dataclass
class Halving(Climb):
    """Auto-PGD in Linf and L2.

    Croce and Hein: Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks,
    ICML 2020, algorithm 1 and section 3.1; checkpoints are rounded as in the authors' code.
    """

    rho: float = 0.75
    give_up: bool = False
    """Whether those who would not come near a loss of 0, from where examples are broken, stop early."""
    moving: bool = False
    """Whether there is a movement before the next one."""
    previous: Tensor = field(init=False)
    """Where each example was before the last step."""
    rises: Tensor = field(init=False)
    checked_losses: Tensor = field(init=False)
    halved: Tensor = field(init=False)
    first_losses: Tensor = field(init=False)
    earlier_losses: Tensor = field(init=False)
    """The best losses at the start, and a twentieth of the steps ago."""

    def __post_init__(self) -> None:
        """At the first check only condition 1 is asked."""
        super().__post_init__()
        self.previous, self.rises = self.images, torch.zeros_like(self.part.labels)
        self.checked_losses = self.first_losses = self.earlier_losses = self.best_losses
        self.halved = torch.ones_like(self.part.labels, dtype=torch.bool)

    @property
    def longest(self) -> float:
        """The ball's diameter."""
        return 2.0 * self.region.eps

    def checks(self, steps: int) -> Mapping[int, int]:
        """The first after 22 % of the steps, each next one 3 % sooner, down to 6 %."""
        span, shorter, least = (max(int(share * steps), 1) for share in (0.22, 0.03, 0.06))
        spans, at = {}, span
        while at <= steps:
            spans[at] = span
            span = max(span - shorter, least)
            at += span
        return spans

    def advance(self) -> None:
        """A projected step, mixed with the movement before it and projected again (equation 2)."""
        ahead = self.images + self.sizes * self.region.direction(self.images, self.gradient)
        ahead = self.region.inside(ahead, self.part.clean)
        if self.moving:
            moved = self.images - self.previous
            ahead = self.images + MOMENTUM * (ahead - self.images) + (1.0 - MOMENTUM) * moved
            ahead = self.region.inside(ahead, self.part.clean)
        self.previous, self.images, self.moving = self.images, ahead, True

    def look(self, model: nn.Module, objective: Objective, *, last: bool) -> Tensor:
        """As any climb, and count the rises."""
        before = self.losses
        logits = super().look(model, objective, last=last)
        self.rises = self.rises + (self.losses > before)
        if not self.moving:
            self.first_losses = self.earlier_losses = self.best_losses
        return logits

    def hopeful(self, step: int, steps: int) -> Tensor | None:
        """Asked every twentieth of the steps, if they are as many.

        There is no hope where the best loss, rising for all steps left twice as fast as in the last twentieth, would
        not come half the way from the start to 0; but there is where it has not risen at all, since that may be the
        fault of gradients that mislead.
        """
        if not self.give_up or steps < _CHECKS or step == 0 or step % (steps // _CHECKS):
            return None
        pace = (self.best_losses - self.earlier_losses) / (steps // _CHECKS)
        reach = self.best_losses + _FASTER * pace * (steps - step)
        self.earlier_losses = self.best_losses
        return (reach >= _SHARE * self.first_losses) | (self.best_losses == self.first_losses)

    def reconsider(self, span: int) -> None:
        """Halve where too few steps rose, or where neither the length nor the best loss changed since the last time."""
        few = self.rises <= self.rho * span
        stuck = ~self.halved & (self.checked_losses >= self.best_losses)
        self.halved = few | stuck
        self.sizes = torch.where(self.column(self.halved), self.sizes / 2.0, self.sizes)
        self.back_to_best(self.halved)
        self.checked_losses, self.rises = self.best_losses, torch.zeros_like(self.rises)


def climb(
    model: nn.Module, objective: Objective, path: Climb, steps: int, worst: Worst | None = None, *, first: bool = False
) -> Climb:
    """Take so many steps; `steps` gradients and one forward.

    Every image is shown to `worst`; with `first`, examples of which it has seen a misclassified image leave, and so do
    those without hope. Each step then waits once for the device. Returns the path at its end, for those still on it.
    """
    checks = path.checks(steps)
    for step in range(steps + 1):
        if step:
            path.advance()
        logits = path.look(model, objective, last=step == steps)
        if worst is not None:
            worst.consider(path.images, logits, path.losses, path.part.labels, path.part.places)
            if first:
                path = _thinned(path, worst, path.hopeful(step, steps))
                if not len(path.part):
                    break
        if step in checks:
            path.reconsider(checks[step])
    return path


def _thinned(path: Climb, worst: Worst, hopeful: Tensor | None) -> Climb:
    broken = worst.wrong[path.part.places]
    if hopeful is not None:
        return path.only(hopeful & ~broken)
    gone = int(broken.sum())
    return path.only(~broken) if gone and gone * _CROWD >= len(broken) else path
