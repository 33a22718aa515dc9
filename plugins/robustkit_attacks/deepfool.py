"""DeepFool."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from robustkit import Attack, Budget
from robustkit.components.attack import Norm
from robustkit.components.fields import NonNegative, NonNegativeInt, PositiveInt
from robustkit.errors import Problem
from robustkit_attacks.boundary import linearized, other_classes
from robustkit_attacks.closest import Closest, budget_of, logits_of, radius_problems
from robustkit_attacks.hyperplane import DUAL, moves_to_hyperplane


@dataclass(frozen=True)
class DeepFool(Attack):
    """DeepFool: goes straight to the nearest linearized decision boundary, again and again, until it is crossed.

    Moosavi-Dezfooli, Fawzi, Frossard: DeepFool: a Simple and Accurate Method to Fool Deep Neural Networks, CVPR 2016,
    algorithm 2, and section 3.3 for other norms. Few steps give a good guess at the smallest perturbation, and a weak
    attack inside a given radius: it never tries another way than the one on which it first crosses. Ours: a step goes
    to the nearest point of the hyperplane that is an image, in [0, 1], and a short search ends it. A step costs two
    forwards and one backward for each class but the true one.
    """

    name = "deepfool"

    eps: NonNegative | None = None
    """Only results this near count, in units of [0, 1] pixels; the other examples stay as they were. null: all do."""
    norm: Norm = "L2"
    """Which norm of the perturbation is to be small."""
    steps: PositiveInt = 50
    """Linearizations at most."""
    overshoot: NonNegative = 0.02
    """By which share of its length the perturbation is lengthened, so that it ends beyond the boundary."""
    search_steps: NonNegativeInt = 3
    """Ours: steps of a final search between original and result, as FAB has it, one forward each. 0 is the paper's."""
    classes: Annotated[int, Ge(2)] = 10
    """Among how many classes the nearest boundary is looked for: those with the largest logits on the clean image."""

    def problems(self) -> Iterable[Problem]:
        """A radius in 8-bit units."""
        return radius_problems(self.norm, self.eps)

    @property
    def budget(self) -> Budget | None:
        """`eps` in `norm`, if it is given."""
        return budget_of(self.norm, self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the first misclassified image on each way; the clean one where there is none, or none inside `eps`."""
        closest = Closest(images, labels, self.norm, self.eps)
        logits = closest.start(model)
        rows = closest.wanting().nonzero().squeeze(1)
        others = other_classes(labels, logits, self.classes - 1)[rows]
        clean = now = images[rows]
        way = torch.zeros_like(clean.flatten(1))
        for _ in range(self.steps):
            if len(rows) == 0:
                break
            difference, normal = linearized(model, now, labels[rows], others, DUAL[self.norm])
            points, residuals = now.flatten(1).unsqueeze(0), difference.unsqueeze(0)
            way = way + moves_to_hyperplane(points, normal, residuals, self.norm)[0]
            now = (clean + (1.0 + self.overshoot) * way.reshape_as(clean)).clamp(0.0, 1.0)
            wrong = logits_of(model, now).argmax(dim=1) != labels[rows]
            closest.consider(rows, now, wrong)
            rows, others, clean, now, way = (part[~wrong] for part in (rows, others, clean, now, way))
        closest.search(model, self.search_steps)
        return closest.result
