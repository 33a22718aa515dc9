"""Multi steepest descent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import torch
from annotated_types import Gt, Le
from torch import Tensor, nn

from robustkit import Attack, Budget, CrossEntropy, Loss
from robustkit.components.attack import Norm
from robustkit.components.fields import NonNegative, Positive, PositiveInt
from robustkit.errors import Problem
from robustkit_attacks.ascent import Worst
from robustkit_attacks.geometry import Ball, ball
from robustkit_attacks.slope import height, slope
from robustkit_attacks.units import pixel_problems


@dataclass(frozen=True)
class MSD(Attack):
    """Multi steepest descent: steps that may each be of another norm, inside the union of several balls.

    Maini, Wong, Kolter: Adversarial Robustness Against the Union of Multiple Perturbation Models, ICML 2020. Each step
    makes, from the one gradient, the steepest step in every norm, brings each back into the ball of its own norm, and
    goes on from the one with the highest loss, for each example by itself. So an attacked image lies in the ball of the
    norm that was chosen last, or with `keep: best` in that of the step it comes from. It starts at the image and draws
    nothing.
    """

    name = "msd"

    linf: NonNegative | None = None
    """Radius of the Linf ball, in units of [0, 1] pixels: `8/255`, say; null for no such ball. Two balls or three."""
    l2: NonNegative | None = None
    """Radius of the L2 ball, in units of [0, 1] pixels; null for no such ball."""
    l1: NonNegative | None = None
    """Radius of the L1 ball, in units of [0, 1] pixels; null for no such ball."""
    steps: PositiveInt = 10
    """Steps; each costs one gradient, and one forward a ball."""
    linf_step: Positive | None = None
    """Length of a step in Linf, in units of [0, 1] pixels; by default 2.5 * linf / steps."""
    l2_step: Positive | None = None
    """Length of a step in L2, in units of [0, 1] pixels; by default 2.5 * l2 / steps."""
    l1_step: Positive | None = None
    """Length of a step in L1, in units of [0, 1] pixels; by default 2.5 * l1 / steps."""
    keep: Literal["best", "last"] = "best"
    """`best`: for each example the worst image that was seen, whether it was gone on from or not; a misclassified one
    before a classified one, then by loss. It costs nothing more. `last`: where the last step ended."""
    loss: Loss = CrossEntropy()
    """What the steps increase, and by which the norm of a step is chosen."""
    sparsity: Annotated[float, Gt(0), Le(1)] | None = None
    """Share of an image's pixel values that a step in L1 moves, 0.05 by default."""

    def problems(self) -> Iterable[Problem]:
        """Too few balls, settings of a ball that is not there, and lengths in 8-bit units."""
        yield from pixel_problems("Linf", linf=self.linf, linf_step=self.linf_step)
        if len(self.budgets) < 2:
            got = ", ".join(map(str, self.budgets)) or "none"
            yield Problem((), f"expected radii of two norms or more of linf, l2 and l1, got {got}: for one use `pgd`.")
        for norm, field in (("linf", "linf_step"), ("l2", "l2_step"), ("l1", "l1_step"), ("l1", "sparsity")):
            if getattr(self, field) is not None and getattr(self, norm) is None:
                yield Problem((field,), f"there is no {norm} ball to step in: give `{norm}` a radius, or leave it out.")

    @property
    def budget(self) -> None:
        """None: the balls are in `budgets`."""
        return None

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The balls, in the order Linf, L2, L1."""
        return tuple(Budget(norm, eps) for norm in get_args(Norm) if (eps := getattr(self, norm.lower())) is not None)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the attacked images; `steps` gradients, and as many forwards for each ball.

        Raises:
            AttackError: the logits do not depend on the images in a way that has a gradient.
        """
        here, worst = images, Worst(images)
        for _ in range(self.steps):
            logits, losses, gradient = slope(model, self.loss, here, labels)
            worst.consider(here, logits, losses, labels)
            tried = [region.inside(region.step(here, gradient, size), images) for region, size in self._balls()]
            found = []
            for candidate in tried:
                logits, losses = height(model, self.loss, candidate, labels)
                worst.consider(candidate, logits, losses, labels)
                found.append(losses)
            here = _chosen(torch.stack(tried), torch.stack(found).argmax(dim=0))
        return here if self.keep == "last" else worst.images

    def _balls(self) -> Iterable[tuple[Ball, float]]:
        """Each ball, and the length of a step in it."""
        for budget in self.budgets:
            size = getattr(self, f"{budget.norm.lower()}_step") or 2.5 * budget.eps / self.steps
            yield ball(budget.norm, budget.eps, self.sparsity), size


def _chosen(tried: Tensor, best: Tensor) -> Tensor:
    """Of (B, N, ...) candidates the one at `best` (N,) for each example."""
    return tried[best, torch.arange(len(best), device=best.device)]
