"""Auto-PGD."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from robustkit import Attack, Budget, CrossEntropy, Streams, example_streams
from robustkit.components.attack import Norm
from robustkit.components.fields import NonNegative, PositiveInt, Share
from robustkit.errors import Problem
from robustkit_attacks.ascent import Worst
from robustkit_attacks.climb import Halving, Part, climb
from robustkit_attacks.dlr import DLR, targeted_dlr
from robustkit_attacks.geometry import ball
from robustkit_attacks.slope import height
from robustkit_attacks.sparse import CrowdedL1Ball, Sparsening, shrinking
from robustkit_attacks.units import pixel_problems


@dataclass(frozen=True)
class APGD(Attack):
    """Auto-PGD, which chooses its step lengths itself; `apgd-ce`, `apgd-dlr` and `apgd-targeted` differ in the loss.

    Croce and Hein: Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks,
    ICML 2020, section 3. In L1: Croce and Hein: Mind the Box: l1-APGD for Sparse Adversarial Attacks on Image
    Classifiers, ICML 2021, with its decreasing radii. A step costs one forward and one backward, without gradients of
    parameters; an example that is broken leaves the batch.
    """

    eps: NonNegative
    """Radius of the ball, in units of [0, 1] pixels: `8/255`, say."""
    norm: Norm = "Linf"
    """In which norm the radius is measured."""
    steps: PositiveInt = 100
    """Gradient steps from each start."""
    restarts: PositiveInt = 1
    """Runs from different random starts, each of `steps` steps on the examples that still stand."""
    rho: Share = 0.75
    """Linf and L2: a step length is halved where not more than this share of the steps since the last check raised the
    loss."""
    keep: Literal["first", "best"] = "first"
    """`first`: an example is done with its first misclassified image, and leaves the batch; of those that stand, the
    image with the highest loss. `best`: no example leaves, and the misclassified image with the highest loss counts."""

    def problems(self) -> Iterable[Problem]:
        """A radius in 8-bit units."""
        return pixel_problems(self.norm, eps=self.eps)

    @property
    def budget(self) -> Budget:
        """`eps` in `norm`."""
        return Budget(self.norm, self.eps)

    @abstractmethod
    def objective(self, logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """The losses (N,) that a run increases."""

    def aims(self, logits: Tensor, labels: Tensor) -> Iterator[Tensor]:
        """Targets (N,) of the runs, one after the other, from the clean logits (N, K); untargeted: labels, unused."""
        yield labels

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the attacked images; at most `restarts * steps` gradients for each aim, and as many forwards more."""
        first, streams = self.keep == "first", example_streams(images)
        worst, places = Worst(images, first=first), torch.arange(len(images), device=images.device)
        logits, losses = height(model, CrossEntropy(), images, labels)
        worst.consider(images, logits, torch.full_like(losses, -torch.inf), labels)
        for targets in (aim for aim in self.aims(logits, labels) for _ in range(self.restarts)):
            standing, own = places[~worst.wrong] if first else places, streams.branch()
            if not len(standing):
                break
            part = Part(standing, images[standing], labels[standing], targets[standing])
            self._run(model, worst, part, own[standing])
        return worst.images

    @property
    def _gives_up(self) -> bool:
        """Whether runs may end early; only for a loss that is positive where examples are broken."""
        return False

    def _run(self, model: nn.Module, worst: Worst, part: Part, streams: Streams) -> None:
        first = self.keep == "first"
        if self.norm != "L1":
            start = (part.clean + self.eps * _outward(self.norm, part.clean, streams)).clamp(0.0, 1.0)
            path = Halving(ball(self.norm, self.eps), part, start, rho=self.rho, give_up=self._gives_up)
            climb(model, self.objective, path, self.steps, worst, first=first)
            return
        images = part.clean + streams.normal_like(part.clean)
        for radius, steps in shrinking(self.eps, self.steps):
            sparser = Sparsening(CrowdedL1Ball(radius), part, images)
            seen = worst if radius == self.eps else None
            images = climb(model, self.objective, sparser, steps, seen, first=first).best_images


def _outward(norm: Norm, images: Tensor, streams: Streams) -> Tensor:
    """Random perturbations of length 1."""
    noise = 2.0 * streams.uniform_like(images) - 1.0 if norm == "Linf" else streams.normal_like(images)
    order, parts = (torch.inf if norm == "Linf" else 2), tuple(range(1, images.ndim))
    lengths: Tensor = torch.linalg.vector_norm(noise, order, dim=parts, keepdim=True)
    return noise / lengths.clamp_min(torch.finfo(noise.dtype).tiny)


@dataclass(frozen=True)
class APGDCE(APGD):
    """Auto-PGD on cross-entropy.

    Croce and Hein, ICML 2020 (see the card). The first and cheapest of AutoAttack's four. Cross-entropy has no gradient
    left where a network is very sure of itself: run `apgd-dlr` or `apgd-targeted` too.
    """

    name = "apgd-ce"

    def objective(self, logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy."""
        return CrossEntropy()(logits, labels)


@dataclass(frozen=True)
class RatioAPGD(APGD):
    """Auto-PGD on a loss below 0 for whatever is classified rightly, so that it shows how far there is to go."""

    give_up: bool = False
    """Ours, in Linf and L2 with `keep: first`: end the run of an example whose loss is not going to turn. Every
    twentieth of the steps it is asked whether the best loss, rising for all steps left twice as fast as in the last
    twentieth, would come half the way from the start to 0. An example whose loss has not risen at all goes on."""

    @property
    def _gives_up(self) -> bool:
        """As the field says."""
        return self.give_up


@dataclass(frozen=True)
class APGDDLR(RatioAPGD):
    """Auto-PGD on the difference of logits ratio, which the scale of the logits does not change.

    Croce and Hein, ICML 2020 (see the card). With two classes the loss is the margin, see `dlr`.
    """

    name = "apgd-dlr"

    def objective(self, logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """DLR."""
        return DLR()(logits, labels)


@dataclass(frozen=True)
class APGDTargeted(RatioAPGD):
    """Auto-PGD on the targeted difference of logits ratio, one class after the other.

    Croce and Hein, ICML 2020, section 4.1: the targets are the classes with the largest clean logits but the true one,
    in that order. It has `restarts` runs of `steps` steps for each target, on the examples that still stand. With two
    or three classes the loss is the target's logit minus the true one's, since its denominator needs four.
    """

    name = "apgd-targeted"

    targets: PositiveInt | None = None
    """How many classes are tried; fewer classes, fewer targets. By default 9, in L1 5, as AutoAttack."""

    def objective(self, logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
        """Targeted DLR."""
        return targeted_dlr(logits, labels, targets)

    def aims(self, logits: Tensor, labels: Tensor) -> Iterator[Tensor]:
        """The other classes, the one with the largest logit first."""
        others = logits.scatter(1, labels.unsqueeze(1), -torch.inf).argsort(dim=1, descending=True, stable=True)
        count = self.targets or (5 if self.norm == "L1" else 9)
        yield from others[:, : min(count, logits.shape[1] - 1)].T
