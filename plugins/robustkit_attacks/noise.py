"""Random noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from robustkit import Attack, Budget, CrossEntropy, example_streams
from robustkit.components.attack import Norm
from robustkit.components.fields import NonNegative, PositiveInt
from robustkit.errors import Problem
from robustkit_attacks.ascent import Worst
from robustkit_attacks.geometry import ball
from robustkit_attacks.units import pixel_problems


@dataclass(frozen=True)
class Noise(Attack):
    """Uniform noise from the ball, without any gradient: the baseline that every gradient attack must beat.

    Where noise breaks more examples than PGD of the same budget, the network's gradients mislead, and its robust
    accuracy under gradient attacks says nothing.
    """

    name = "noise"

    eps: NonNegative
    """Radius of the ball, in units of [0, 1] pixels: `8/255`, say."""
    norm: Norm = "Linf"
    """In which norm the radius is measured."""
    draws: PositiveInt = 1
    """Noisy images drawn for each example; the worst is kept: a misclassified one before a classified one, then by
    cross-entropy. More than one cost a forward each."""

    def problems(self) -> Iterable[Problem]:
        """A radius in 8-bit units."""
        return pixel_problems(self.norm, eps=self.eps)

    @property
    def budget(self) -> Budget:
        """`eps` in `norm`."""
        return Budget(self.norm, self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the noisy images."""
        region, streams = ball(self.norm, self.eps), example_streams(images)
        if self.draws == 1:
            return region.random_image(images, streams)
        worst, loss = Worst(images), CrossEntropy()
        for _ in range(self.draws):
            worst.look(model, loss, region.random_image(images, streams), labels)
        return worst.images
