"""The attack of Carlini and Wagner in L2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustkit import Attack, Budget
from robustkit.components.fields import NonNegative, Positive, PositiveInt
from robustkit.errors import Problem
from robustkit_attacks.closest import Closest, budget_of, radius_problems, rounding
from robustkit_attacks.margin import Margin
from robustkit_attacks.slope import gradient_of

_INSIDE = 0.999999
"""Black and white are infinitely far away in the attack's variables: images are shrunk by this, about their middle."""


_LEAST = 100
"""Steps that are looked back on at least before an example is given up."""


@dataclass(frozen=True)
class CWL2(Attack):
    """The L2 attack of Carlini and Wagner: the smallest perturbation, weighed by a constant against the margin.

    Carlini and Wagner: Towards Evaluating the Robustness of Neural Networks, IEEE S&P 2017, section VI.A. Minimizes
    |x' - x|^2 + c * max(confidence - margin, 0) by Adam, over variables whose tanh is the image, so that the box of
    images needs no projection; c is found by bisection for each example, and the nearest image with enough margin over
    all of it is kept. Slow and thorough: `search_steps * steps` gradients, less what is aborted early.
    """

    name = "cw-l2"

    eps: NonNegative | None = None
    """Radius that is good enough, in units of [0, 1] pixels. An example is finished once something as near is found,
    and stays as it was if nothing is. null looks for the smallest perturbation, whatever its length."""
    confidence: NonNegative = 0.0
    """By how much another class's logit must exceed the true one's. More than 0 makes examples that transfer better."""
    steps: PositiveInt = 1000
    """Steps of Adam for each constant. The authors' code takes 10,000."""
    search_steps: PositiveInt = 9
    """Constants that are tried: ten times the last until one succeeds, then the middle between success and failure."""
    step_size: Positive = 0.01
    """Adam's learning rate."""
    constant: Positive = 1e-3
    """The first constant."""
    abort_early: bool = True
    """End the steps of an example for a constant once its objective fell by less than 1/10,000 in a tenth of them, or
    in 100 steps if that is more: over fewer, Adam's objective goes up and down."""

    def problems(self) -> Iterable[Problem]:
        """A radius in 8-bit units."""
        return radius_problems("L2", self.eps)

    @property
    def budget(self) -> Budget | None:
        """`eps` in L2, if it is given."""
        return budget_of("L2", self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the nearest misclassified images found; the clean one where there is none, or none inside `eps`."""
        closest = Closest(images, labels, "L2", self.eps)
        closest.start(model)
        constants = torch.full_like(closest.distances, self.constant)
        failed, succeeded = torch.zeros_like(constants), torch.full_like(constants, torch.inf)
        for _ in range(self.search_steps):
            rows = closest.wanting().nonzero().squeeze(1)
            if len(rows) == 0:
                break
            success = self._minimize(model, closest, rows, constants[rows])
            tried = constants[rows]
            succeeded[rows] = torch.where(success, tried, succeeded[rows])
            failed[rows] = torch.where(success, failed[rows], tried)
            middle = (failed + succeeded) / 2.0
            constants = torch.where(torch.isfinite(middle), middle, constants * 10.0)
        return closest.result

    def _minimize(self, model: nn.Module, closest: Closest, rows: Tensor, constants: Tensor) -> Tensor:
        """Adam for one constant an example; returns which of them (M,) had enough margin on the way."""
        success = torch.zeros_like(closest.labels, dtype=torch.bool)
        given = rows
        variables = torch.atanh((closest.clean[rows] * 2.0 - 1.0) * _INSIDE)
        mean, square = torch.zeros_like(variables), torch.zeros_like(variables)
        before = torch.full_like(constants, torch.inf)
        for step in range(1, self.steps + 1):
            gradient, objective, enough, images = self._slope(model, closest, rows, variables, constants)
            success[rows] |= enough
            closest.consider(rows, images, enough)
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient.square()
            scale = (square / (1.0 - 0.999**step)).sqrt() + 1e-8
            variables = variables - self.step_size / (1.0 - 0.9**step) * mean / scale
            stay = closest.wanting(rows)
            if self.abort_early and step % max(self.steps // 10, _LEAST) == 0:
                stay &= objective <= 0.9999 * before
                before = objective
            if not bool(stay.all()):
                state = (rows, variables, mean, square, before, constants)
                rows, variables, mean, square, before, constants = (part[stay] for part in state)
                if len(rows) == 0:
                    break
        return success[given]

    def _slope(
        self, model: nn.Module, closest: Closest, rows: Tensor, variables: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The objective's gradient, the objective (M,), whether the margin is enough (M,), and the images."""
        tanh = torch.tanh(variables)
        images = ((tanh + 1.0) / 2.0).requires_grad_()
        logits = model(images).to(images.dtype)
        margins = Margin()(logits, closest.labels[rows])
        lacking = constants * (self.confidence - margins).clamp_min(0.0)
        moved = images.detach() - closest.clean[rows]
        gradient = (gradient_of(lacking, images) + 2.0 * moved) * (1.0 - tanh.square()) / 2.0
        objective = moved.square().flatten(1).sum(dim=1) + lacking.detach()
        enough = (margins > rounding(logits)) & (margins >= self.confidence)
        return gradient.nan_to_num(), objective, enough.detach(), images.detach()
