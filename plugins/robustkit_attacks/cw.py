"""The margin attack in Linf that tables call CW."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from robustkit import Attack, Budget
from robustkit.components.fields import NonNegative, Positive, PositiveInt
from robustkit.errors import Problem
from robustkit_attacks.margin import Margin
from robustkit_attacks.pgd import PGD
from robustkit_attacks.units import pixel_problems


@dataclass(frozen=True)
class CW(Attack):
    """What tables of adversarial training call CW or CW-inf: PGD in Linf on Carlini and Wagner's margin.

    The objective is f6 of Carlini and Wagner: Towards Evaluating the Robustness of Neural Networks, IEEE S&P 2017;
    Madry et al. (Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018, section 5) increase it by
    PGD. It is `pgd` with `loss: margin` and `keep: first`. Carlini and Wagner's own attack, which looks for the
    smallest perturbation, is another.
    """

    name = "cw"

    eps: NonNegative
    """Radius of the Linf ball, in units of [0, 1] pixels: `8/255`, say."""
    steps: PositiveInt = 30
    """Gradient steps from each start; 30 in the code of Friendly Adversarial Training (Zhang et al., ICML 2020)."""
    step_size: Positive | None = None
    """Length of a step in units of [0, 1] pixels; by default eps / 4, as there."""
    restarts: PositiveInt = 1
    """Runs from different random starts, each of `steps` steps."""

    def problems(self) -> Iterable[Problem]:
        """Lengths in 8-bit units."""
        return pixel_problems("Linf", eps=self.eps, step_size=self.step_size)

    @property
    def budget(self) -> Budget:
        """`eps` in Linf."""
        return Budget("Linf", self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the attacked images; `restarts * steps` gradients on who stands, and one forward a restart."""
        size = self.step_size or self.eps / 4.0 or None
        pgd = PGD(eps=self.eps, steps=self.steps, step_size=size, restarts=self.restarts, keep="first", loss=Margin())
        return pgd(model, images, labels)
