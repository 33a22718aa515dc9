"""The momentum iterative method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from robustkit import Attack, Budget, CrossEntropy, Loss, example_streams
from robustkit.components.fields import NonNegative, Positive, PositiveInt
from robustkit.errors import Problem
from robustkit_attacks.ascent import Worst
from robustkit_attacks.climb import Climb, Part, climb
from robustkit_attacks.geometry import ball
from robustkit_attacks.units import pixel_problems


@dataclass
class Gathering(Climb):
    """Steps of one length along the gathered gradients (Dong et al. 2018, algorithm 1)."""

    length: float
    decay: float
    gathered: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing gathered."""
        super().__post_init__()
        self.gathered = torch.zeros_like(self.images)

    @property
    def longest(self) -> float:
        """The one length."""
        return self.length

    def checks(self, steps: int) -> Mapping[int, int]:
        """Never: lengths stay."""
        return {}

    def reconsider(self, span: int) -> None:
        """Lengths stay."""

    def advance(self) -> None:
        """Add the gradient, divided by its L1 norm, to what is left of those before; step along the sum."""
        parts, tiny = tuple(range(1, self.images.ndim)), torch.finfo(self.images.dtype).tiny
        # First by its largest value, since sums of saturated gradients underflow.
        gradient = self.gradient / self.gradient.abs().amax(dim=parts, keepdim=True).clamp_min(tiny)
        gradient = gradient / gradient.abs().sum(dim=parts, keepdim=True).clamp_min(tiny)
        self.gathered = self.decay * self.gathered + gradient
        self.images = self.region.inside(self.region.step(self.images, self.gathered, self.length), self.part.clean)


@dataclass(frozen=True)
class MIM(Attack):
    """The momentum iterative method (MI-FGSM): steps along the sum of the gradients met so far.

    Dong, Liao, Pang, Su, Zhu, Hu, Li: Boosting Adversarial Attacks with Momentum, CVPR 2018, section 3.1; in L2 section
    3.3. Made to transfer to other networks: a direction that many steps agree on fits the network at hand less closely.
    """

    name = "mim"

    eps: NonNegative
    """Radius of the ball, in units of [0, 1] pixels: `8/255`, say."""
    norm: Literal["Linf", "L2"] = "Linf"
    """In which norm the radius is measured."""
    steps: PositiveInt = 10
    """Gradient steps; one forward and one backward each, and one forward at the end."""
    step_size: Positive | None = None
    """Length of a step, measured in `norm`, in units of [0, 1] pixels; by default eps / steps, as in Dong et al."""
    decay: NonNegative = 1.0
    """What is kept of the gathered gradients at each step, Dong et al.'s mu; 0 is the iterative FGSM."""
    random_start: bool = False
    """Start at a point drawn uniformly from the ball instead of at the image."""
    keep: Literal["best", "first", "last"] = "best"
    """`best`: for each example the worst image that was seen, a misclassified one before a classified one, then by
    loss. `first`: the first misclassified one, with which the example leaves the batch. `last`: where the last step
    ended, as Dong et al. have it."""
    loss: Loss = CrossEntropy()
    """What the steps increase."""

    def problems(self) -> Iterable[Problem]:
        """Lengths in 8-bit units."""
        return pixel_problems(self.norm, eps=self.eps, step_size=self.step_size)

    @property
    def budget(self) -> Budget:
        """`eps` in `norm`."""
        return Budget(self.norm, self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the attacked images; `steps` gradients and one forward."""
        region, first = ball(self.norm, self.eps), self.keep == "first"
        start = region.random_image(images, example_streams(images)) if self.random_start else images
        part = Part(torch.arange(len(images), device=images.device), images, labels, labels)
        path = Gathering(region, part, start, length=self.step_size or self.eps / self.steps, decay=self.decay)
        worst = None if self.keep == "last" else Worst(images, first=first)
        end = climb(model, self._objective, path, self.steps, worst, first=first)
        return end.images if worst is None else worst.images

    def _objective(self, logits: Tensor, labels: Tensor, _: Tensor) -> Tensor:
        return self.loss(logits, labels)
