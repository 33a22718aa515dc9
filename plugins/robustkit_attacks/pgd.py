"""Projected gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le
from torch import Tensor, nn

from robustkit import Attack, Budget, CrossEntropy, Loss, example_streams
from robustkit.components.attack import Norm
from robustkit.components.fields import NonNegative, Positive, PositiveInt
from robustkit.errors import Problem
from robustkit_attacks.ascent import Worst, ascend
from robustkit_attacks.geometry import Ball, ball
from robustkit_attacks.pursuit import Pursuit
from robustkit_attacks.units import pixel_problems


@dataclass(frozen=True)
class PGD(Attack):
    """Projected gradient descent: repeated steps of steepest ascent on the loss, each brought back into the ball.

    Madry, Makelov, Schmidt, Tsipras, Vladu: Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018,
    section 2.1. Linf takes sign steps, L2 normalized gradient steps, L1 the sparse steps of SLIDE (Tramer and Boneh:
    Adversarial Training and Robustness for Multiple Perturbations, NeurIPS 2019). A step costs one forward and one
    backward, which computes no gradients of parameters; nothing in the loop waits for the device, but with
    `keep: first` each step does once, to see who is left.
    """

    name = "pgd"

    eps: NonNegative
    """Radius of the ball, in units of [0, 1] pixels: `8/255`, say. 0 returns the images."""
    norm: Norm = "Linf"
    """In which norm the radius is measured."""
    steps: PositiveInt = 10
    """Gradient steps from each start."""
    step_size: Positive | None = None
    """Length of a step, measured in `norm`, in units of [0, 1] pixels; by default 2.5 * eps / steps, which reaches the
    boundary from any start and leaves steps to move along it (Madry et al. 2018)."""
    random_start: bool = True
    """Start at a point drawn uniformly from the ball instead of at the image."""
    restarts: PositiveInt = 1
    """Runs from different random starts, each of `steps` steps; `keep: best` and `first` choose among all of them."""
    keep: Literal["best", "first", "last"] = "best"
    """`best`: for each example the worst image that was seen, a misclassified one before a classified one, then by
    loss; one forward more. `first`: the first misclassified image, with which the example leaves the batch, and if
    there is none, as `best`; the same examples are broken in less time, as an evaluation wants it. `last`: where the
    last step ended, as training usually does."""
    loss: Loss = CrossEntropy()
    """What the steps increase."""
    sparsity: Annotated[float, Gt(0), Le(1)] | None = None
    """L1 only: share of an image's pixel values that one step moves, 0.05 by default."""

    def problems(self) -> Iterable[Problem]:
        """Settings that contradict each other, or that are in 8-bit units."""
        yield from pixel_problems(self.norm, eps=self.eps, step_size=self.step_size)
        if self.keep == "last" and self.restarts > 1:
            yield Problem(("restarts",), "`keep: last` returns the last restart only: use `keep: best` or `first`.")
        if self.restarts > 1 and not self.random_start:
            yield Problem(("restarts",), "without a random start every restart is the same: set `random_start: true`.")
        if self.sparsity is not None and self.norm != "L1":
            yield Problem(("sparsity",), f"only L1 steps are sparse, norm is {self.norm}: leave it out.")

    @property
    def budget(self) -> Budget:
        """`eps` in `norm`."""
        return Budget(self.norm, self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the attacked images; `restarts * steps` gradients, and one forward a restart more to keep the best.

        With `keep: first` that is an upper bound: broken examples leave, and for the rest of a restart also those whose
        steps lead in a circle, if the network is deterministic (see `Pursuit`; two small gradients find out).
        """
        region = ball(self.norm, self.eps, self.sparsity)
        if self.keep == "first":
            return self._until_broken(model, region, images, labels)
        streams, size = example_streams(images), self._step_size
        worst = Worst(images) if self.keep == "best" else None
        for _ in range(self.restarts):
            start = region.random_image(images, streams) if self.random_start else images
            last = ascend(
                model, self.loss, region, images, labels, start=start, steps=self.steps, step_size=size, worst=worst
            )
            if worst is not None:
                worst.look(model, self.loss, last, labels)
        return last if worst is None else worst.images

    @property
    def _step_size(self) -> float:
        return self.step_size or 2.5 * self.eps / self.steps

    def _until_broken(self, model: nn.Module, region: Ball, images: Tensor, labels: Tensor) -> Tensor:
        streams, places = example_streams(images), torch.arange(len(images), device=images.device)
        pursuit = Pursuit(model, self.loss, region, images, labels, steps=self.steps, step_size=self._step_size)
        for _ in range(self.restarts):
            standing = ~pursuit.worst.wrong[places]
            places, streams = places[standing], streams[standing]
            if not len(places):
                break
            clean = images[places]
            pursuit.ascend(places, region.random_image(clean, streams) if self.random_start else clean)
        return pursuit.worst.images
