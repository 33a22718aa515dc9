"""The fast adaptive boundary attack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from robustkit import Attack, Budget, Streams, example_streams
from robustkit.components.attack import Norm
from robustkit.components.fields import NonNegative, NonNegativeInt, PositiveInt, Share
from robustkit.errors import Problem
from robustkit_attacks.boundary import linearized, other_classes
from robustkit_attacks.closest import ORDERS, Closest, budget_of, column, logits_of, radius_problems
from robustkit_attacks.hyperplane import DUAL, moves_to_hyperplane

RADII = {"Linf": 0.3, "L2": 1.0, "L1": 5.0}
"""How far away random starts may be where nothing nearer is known and no `eps` is given; the authors' code's."""


_WINDOW = 10
_SPEEDUP = 2.0
_MISS = 1.1


def hopeless(before: Tensor, now: Tensor, goals: Tensor, steps: int) -> Tensor:
    """Whether a run whose smallest norm fell from `before` to `now` in ten steps will miss the goal in those left.

    Norms fall by ever smaller factors, so twice the last rate for all steps left is a generous guess. Without an
    earlier norm to compare with there is hope.
    """
    reach = now * (now / before) ** (_SPEEDUP * steps / _WINDOW)
    return torch.isfinite(before) & (reach > _MISS * goals)


@dataclass(frozen=True)
class FAB(Attack):
    """The fast adaptive boundary attack: looks for the smallest perturbation that changes the decision.

    Croce and Hein: Minimally Distorted Adversarial Examples with a Fast Adaptive Boundary Attack, ICML 2020, algorithm
    1. Each step linearizes the nearest decision boundary, projects iterate and original onto it inside the box of
    images, goes a little beyond a mixture of both, and comes back towards the original wherever that is misclassified
    already. It has no step size and needs no radius. A step costs two forwards and one backward for each other class,
    which is dear with many classes: there `fab-targeted` is the one to use. Ours: where ten steps found nothing, the
    original leaves the mixture until something is found, since its pull can undo steps.
    """

    name = "fab"

    eps: NonNegative | None = None
    """Radius that is good enough, in units of [0, 1] pixels: `8/255`, say. An example is finished once something as
    near is found, and stays as it was if nothing is. null looks for the smallest perturbation, whatever its norm."""
    norm: Norm = "Linf"
    """Which norm of the perturbation is to be small."""
    steps: PositiveInt = 100
    """Steps from each start."""
    restarts: PositiveInt = 1
    """Runs: the first starts at the image, others at random points at half the smallest norm known by then."""
    eta: Annotated[float, Ge(1)] = 1.05
    """Extrapolation: how far a step goes beyond the linearized boundary, as a multiple of the way to it."""
    alpha_max: Share = 0.1
    """Largest weight of the original's projection in the mixture."""
    beta: Annotated[float, Gt(0), Le(1)] = 0.9
    """Where to go on from a misclassified iterate: at this share of the way from the original to it."""
    search_steps: NonNegativeInt = 3
    """Steps of the final search between original and result, one forward each."""
    give_up: bool = False
    """Ours: end the run of an example whose smallest norm is not going to reach `eps` (or, without `eps`, what is known
    from other runs): falling twice as fast for all steps left as in the last ten, it would still miss it by a tenth."""

    def problems(self) -> Iterable[Problem]:
        """A radius in 8-bit units."""
        return radius_problems(self.norm, self.eps)

    @property
    def budget(self) -> Budget | None:
        """`eps` in `norm`, if it is given."""
        return budget_of(self.norm, self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the nearest misclassified images found; the clean one where there is none, or none inside `eps`."""
        seeds = example_streams(images).seeds
        closest = Closest(images, labels, self.norm, self.eps)
        logits = closest.start(model)
        runs = (others for others in self._boundaries(labels, logits) for _ in range(self.restarts))
        for run, others in enumerate(runs):
            rows = closest.wanting().nonzero().squeeze(1)
            if len(rows) == 0:
                break
            start = closest.clean[rows]
            if run % self.restarts:
                start = self._random_start(closest, rows, Streams(seeds[rows], draws=run))
            self._descend(model, closest, rows, start, others[rows])
        closest.search(model, self.search_steps)
        return closest.result

    def _boundaries(self, labels: Tensor, logits: Tensor) -> Iterator[Tensor]:
        """Classes (N, J) whose boundaries to the true class are considered together, one after the other."""
        yield other_classes(labels, logits, logits.shape[1] - 1)

    def _random_start(self, closest: Closest, rows: Tensor, streams: Streams) -> Tensor:
        clean = closest.clean[rows]
        way = 2.0 * streams.uniform_like(clean) - 1.0 if self.norm == "Linf" else streams.normal_like(clean)
        radius = closest.distances[rows].clamp_max(RADII[self.norm] if self.eps is None else self.eps) / 2.0
        length = torch.linalg.vector_norm(way.flatten(1), ORDERS[self.norm], dim=1)
        return (clean + column(radius / length, clean) * way).clamp(0.0, 1.0)

    def _descend(self, model: nn.Module, closest: Closest, rows: Tensor, images: Tensor, others: Tensor) -> None:
        """One run; examples that are finished or without hope leave it."""
        clean, labels = closest.clean[rows], closest.labels[rows]
        goals = closest.distances[rows] if self.eps is None else torch.full_like(closest.distances[rows], self.eps)
        nearest = before = torch.full_like(goals, torch.inf)
        for step in range(1, self.steps + 1):
            difference, normal = linearized(model, images, labels, others, DUAL[self.norm])
            pull = torch.where(torch.isfinite(nearest) | (step <= _WINDOW), self.alpha_max, 0.0).to(images.dtype)
            images = self._step(images, clean, difference, normal, pull)
            wrong = logits_of(model, images).argmax(dim=1) != labels
            nearest = nearest.minimum(closest.consider(rows, images, wrong))
            back = 1.0 - (1.0 - self.beta) * wrong.to(images.dtype)
            images = clean + column(back, images) * (images - clean)
            stay = closest.wanting(rows)
            if self.give_up and step % _WINDOW == 0:
                stay &= ~hopeless(before, nearest, goals, self.steps - step)
                before = nearest
            if not bool(stay.all()):
                state = (rows, images, clean, labels, others, goals, nearest, before)
                rows, images, clean, labels, others, goals, nearest, before = (part[stay] for part in state)
                if len(rows) == 0:
                    return

    def _step(self, images: Tensor, clean: Tensor, difference: Tensor, normal: Tensor, pull: Tensor) -> Tensor:
        """Beyond the hyperplane, from a mixture of the iterate's and the original's projections onto it."""
        points = torch.stack([images.flatten(1), clean.flatten(1)])
        at_clean = difference + (normal * (points[1] - points[0])).sum(dim=1)
        moves = moves_to_hyperplane(points, normal, torch.stack([difference, at_clean]), self.norm)
        lengths: Tensor = torch.linalg.vector_norm(moves, ORDERS[self.norm], dim=2).clamp_min(1e-8)
        alpha = (lengths[0] / lengths.sum(dim=0)).minimum(pull).unsqueeze(1)
        aims = points + self.eta * moves
        return ((1.0 - alpha) * aims[0] + alpha * aims[1]).clamp(0.0, 1.0).reshape_as(images)


@dataclass(frozen=True)
class FABTargeted(FAB):
    """FAB towards one other class at a time: the boundaries to the likeliest other classes, one after the other.

    Croce and Hein: Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks,
    ICML 2020, section 4 (FAB-T). A step costs two forwards and one backward, however many classes there are. Any
    misclassification counts, not only as the target.
    """

    name = "fab-targeted"

    targets: PositiveInt = 9
    """Other classes, those with the largest logits on the clean image first; all of them where there are fewer."""

    def _boundaries(self, labels: Tensor, logits: Tensor) -> Iterator[Tensor]:
        others = other_classes(labels, logits, self.targets)
        yield from (others[:, at : at + 1] for at in range(others.shape[1]))
