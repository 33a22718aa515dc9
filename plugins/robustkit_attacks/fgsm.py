"""The fast gradient sign method."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from robustkit import Attack, Budget, CrossEntropy, Loss, example_streams
from robustkit.components.fields import NonNegative
from robustkit.errors import Problem
from robustkit_attacks.ascent import ascend
from robustkit_attacks.geometry import LinfBall
from robustkit_attacks.units import pixel_problems


@dataclass(frozen=True)
class FGSM(Attack):
    """The fast gradient sign method: one step of length `eps` along the sign of the gradient, in Linf.

    Goodfellow, Shlens, Szegedy: Explaining and Harnessing Adversarial Examples, ICLR 2015, section 4. Cheap and weak:
    networks trained against it alone can look robust to it and to nothing else, so never evaluate by it alone.
    """

    name = "fgsm"

    eps: NonNegative
    """Radius of the Linf ball and length of the step, in units of [0, 1] pixels: `8/255`, say."""
    random_start: bool = False
    """Start at a point drawn uniformly from the ball; the step is projected back into it. For a step of another length,
    as in fast adversarial training, use `pgd` with `steps: 1`, `step_size` and `keep: last`."""
    loss: Loss = CrossEntropy()
    """What the step increases."""

    def problems(self) -> Iterable[Problem]:
        """A radius in 8-bit units."""
        return pixel_problems("Linf", eps=self.eps)

    @property
    def budget(self) -> Budget:
        """`eps` in Linf."""
        return Budget("Linf", self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the attacked images; one gradient."""
        region = LinfBall(self.eps)
        start = region.random_image(images, example_streams(images)) if self.random_start else images
        return ascend(model, self.loss, region, images, labels, start=start, steps=1, step_size=self.eps)
