"""AutoAttack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from robustkit import Attack, Budget, example_streams, using_streams
from robustkit.components.attack import Norm
from robustkit.components.fields import NonNegative, PositiveInt
from robustkit.errors import Problem
from robustkit_attacks.apgd import APGDCE, APGDDLR, APGDTargeted
from robustkit_attacks.ascent import Worst
from robustkit_attacks.eot import EOT
from robustkit_attacks.fab import FAB, FABTargeted
from robustkit_attacks.margin import Margin
from robustkit_attacks.square import Square
from robustkit_attacks.units import pixel_problems


@dataclass(frozen=True)
class AutoAttack(Attack):
    """AutoAttack: several attacks of different kinds, each on the examples that none before it has broken.

    Croce and Hein: Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks,
    ICML 2020, section 5; in L1 Croce and Hein: Mind the Box, ICML 2021, but without `square`, which has no L1. Settings
    are those of the authors' code. For each example the first image that is misclassified is returned; where there is
    none, that with the largest margin.
    """

    name = "autoattack"

    eps: NonNegative
    """Radius of the ball, in units of [0, 1] pixels: `8/255`, say."""
    norm: Norm = "Linf"
    """In which norm the radius is measured."""
    version: Literal["standard", "plus", "rand"] = "standard"
    """`standard`: apgd-ce, apgd-targeted, fab-targeted, square. `plus`: apgd-ce, apgd-dlr and fab with 5 restarts each,
    square, apgd-targeted, fab-targeted. `rand`, for networks that answer at random: apgd-ce and apgd-dlr, each on
    the mean of 20 passes, see `eot`."""
    steps: PositiveInt = 100
    """Steps of each run of the gradient attacks. With fewer than 100 it is not what others call AutoAttack."""
    queries: PositiveInt = 5000
    """Queries of `square`. With fewer than 5000 it is not what others call AutoAttack."""
    give_up: bool = False
    """Ours, and not what others call AutoAttack: the `give_up` of each attack, which ends runs that are foreseen not to
    break their example. Saves time at the risk of calling an example robust that all steps would have broken."""

    def problems(self) -> Iterable[Problem]:
        """A radius in 8-bit units."""
        return pixel_problems(self.norm, eps=self.eps)

    @property
    def budget(self) -> Budget:
        """`eps` in `norm`."""
        return Budget(self.norm, self.eps)

    @property
    def members(self) -> Mapping[str, Attack]:
        """The attacks by name, in their order, with all of their settings."""
        return dict({"standard": self._standard, "plus": self._plus, "rand": self._rand}[self.version]())

    def _standard(self) -> Iterator[tuple[str, Attack]]:
        yield "apgd-ce", APGDCE(self.eps, self.norm, self.steps, restarts=5 if self.norm == "L1" else 1)
        yield "apgd-targeted", APGDTargeted(self.eps, self.norm, self.steps, give_up=self.give_up)
        yield "fab-targeted", FABTargeted(self.eps, self.norm, self.steps, give_up=self.give_up)
        yield from self._square()

    def _plus(self) -> Iterator[tuple[str, Attack]]:
        yield "apgd-ce", APGDCE(self.eps, self.norm, self.steps, restarts=5)
        yield "apgd-dlr", APGDDLR(self.eps, self.norm, self.steps, restarts=5, give_up=self.give_up)
        yield "fab", FAB(self.eps, self.norm, self.steps, restarts=5, give_up=self.give_up)
        yield from self._square()
        yield "apgd-targeted", APGDTargeted(self.eps, self.norm, self.steps, give_up=self.give_up)
        yield "fab-targeted", FABTargeted(self.eps, self.norm, self.steps, give_up=self.give_up)

    def _rand(self) -> Iterator[tuple[str, Attack]]:
        yield "apgd-ce", EOT(APGDCE(self.eps, self.norm, self.steps), samples=20)
        yield "apgd-dlr", EOT(APGDDLR(self.eps, self.norm, self.steps, give_up=self.give_up), samples=20)

    def _square(self) -> Iterator[tuple[str, Attack]]:
        if self.norm != "L1":
            yield "square", Square(self.eps, self.norm, self.queries, give_up=self.give_up)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the attacked images; one forward for each attack more than the attacks' own."""
        worst, streams, margin = Worst(images, first=True), example_streams(images), Margin()
        worst.look(model, margin, images, labels)
        for attack in self.members.values():
            places, own = (~worst.wrong).nonzero().squeeze(1), streams.branch()
            if not len(places):
                break
            with using_streams(own[places]):
                adversarial = attack(model, images[places], labels[places])
            worst.look(model, margin, adversarial, labels[places], places)
        return worst.images
