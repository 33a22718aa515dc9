"""Networks between a finished run's learners: any mix of their weights, with BatchNorm statistics of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Literal, TypeAlias

from torch.nn.modules.batchnorm import _BatchNorm

from robustkit.components.weights import mix_
from robustkit.engine.arithmetic import place
from robustkit.engine.batch_norm import recompute_batch_norm
from robustkit.engine.data import RunData
from robustkit.engine.device import choose_device
from robustkit.engine.results import FinishedRun
from robustkit.errors import InputError, did_you_mean, known
from robustkit.models.classifier import Classifier
from robustkit.recipe.schema import Recipe

Statistics: TypeAlias = Literal["average", "recompute"]
"""Where a mix has its BatchNorm statistics from: the learners' own in its shares, or a pass over training images."""

_ROUNDING = 1e-6  # by which written shares may miss 1


class Mixer:
    """A finished run's learners and training images, ready to be mixed.

    Args:
        run: a run whose weights are there.
        recipe: the run's, changed only in where its data lies and what it is computed on; by default as it ran.
        batch_norm: where mixes have their BatchNorm statistics from.

    Raises:
        WeightsError: weights are missing or damaged.
        DataError: the data set cannot be loaded.
        InputError: the run has a single learner.
    """

    def __init__(self, run: FinishedRun, recipe: Recipe | None = None, *, batch_norm: Statistics = "average") -> None:
        self.run, self.recipe, self.batch_norm = run, recipe or run.recipe, batch_norm
        self.learners = tuple(self.recipe.learners)
        if len(self.learners) < 2:
            raise InputError(f"{run.path} has one learner, {self.learners[0]!r}: there is nothing to mix.")
        self.device = choose_device(self.recipe.device)
        self._weights = {name: run.model(name, device=self.device).weights() for name in self.learners}
        self._model = run.model(self.learners[0], device=self.device)
        place(self._model, self.recipe.compute, self.device)
        self.data = RunData(self.recipe, self.device)

    @property
    def has_batch_norm(self) -> bool:
        """Whether the network keeps BatchNorm statistics."""
        layers = (layer for layer in self._model.modules() if isinstance(layer, _BatchNorm))
        return any(layer.running_mean is not None for layer in layers)

    def network(self, shares: Mapping[str, float]) -> Classifier:
        """The mix, in eval mode: always the same object, with other weights each time.

        A learner with a share of 1 is that learner, bit for bit. Any other mix has averaged
        BatchNorm statistics, as Generalist has by default, or such as were recomputed on the training images, in order
        and without augmentation (Izmailov et al.: Averaging Weights Leads to Wider Optima and Better Generalization,
        UAI 2018, section 3.2).

        Args:
            shares: by learners' names, adding up to 1; learners that are not named have none.

        Raises:
            InputError: an unknown learner, a share outside [0, 1], or a sum that is not 1.
        """
        shares = self.checked(shares)
        mix_(self._model.weights(), [(self._weights[name], share) for name, share in shares.items()])
        if self.statistics_of(shares) == "recompute":
            recompute_batch_norm(self._model, self.data.plain_batches())
        return self._model.eval()

    def statistics_of(self, shares: Mapping[str, float]) -> Statistics | Literal["own"] | None:
        """Where this mix has its BatchNorm statistics from: `own` for a learner alone, None for a network without."""
        if not self.has_batch_norm:
            return None
        return "own" if max(shares.values()) == 1.0 else self.batch_norm

    def checked(self, shares: Mapping[str, float]) -> dict[str, float]:
        """A share for every learner.

        Raises:
            InputError: as `network`.
        """
        for name, share in shares.items():
            if name not in self.learners:
                text = f"{self.run.path}: no learner {name!r}.{did_you_mean(name, self.learners)}"
                raise InputError(f"{text} {known(self.learners)}")
            if not 0.0 <= share <= 1.0:
                raise InputError(f"expected shares from 0 to 1, got {share:g} of {name}.")
        if not math.isclose(sum(shares.values()), 1.0, abs_tol=_ROUNDING):
            raise InputError(f"expected shares that add up to 1, got {written(shares)}: {sum(shares.values()):g}.")
        return {name: float(shares.get(name, 0.0)) for name in self.learners}


def mixed_network(
    run: FinishedRun,
    shares: Mapping[str, float],
    *,
    batch_norm: Statistics = "average",
    recipe: Recipe | None = None,
) -> Classifier:
    """One network between a finished run's learners, with BatchNorm statistics of its own.

    `robustkit export` writes such a network to a file.

    Args:
        run: a run whose weights are there.
        shares: by learners' names, adding up to 1, for example `{"natural": 0.3, "robust": 0.7}`. A share of 1 gives
            that learner, bit for bit.
        batch_norm: `average` like the weights, or `recompute` on the training images; see `mix_path`.
        recipe: the run's, where its data lies elsewhere now.

    Raises:
        RobustkitError: unknown learners, shares that are none, missing weights or data.
    """
    return Mixer(run, recipe, batch_norm=batch_norm).network(shares)


def simplex(learners: int, grid: int) -> list[tuple[float, ...]]:
    """Every way to divide 1 among learners in steps of 1 / (grid - 1): `grid` points on each edge.

    For two learners it is the line from (1, 0) to (0, 1); for k there are binomial(grid + k - 2, k - 1) points.

    Raises:
        InputError: fewer than two learners or points.
    """
    if learners < 2 or grid < 2:
        raise InputError(f"expected at least 2 learners and a grid of at least 2, got {learners} and {grid}.")
    parts, places = grid - 1, grid + learners - 2
    found = []
    for bars in combinations(range(places), learners - 1):  # stars and bars: what lies between two bars is a share
        edges = (-1, *bars, places)
        counts = [right - left - 1 for left, right in zip(edges, edges[1:], strict=False)]
        found.append(tuple(count / parts for count in counts))
    return found[::-1]


def written(shares: Mapping[str, float]) -> str:
    """`natural=0.3,robust=0.7`, as `robustkit export --mix` reads it."""
    return ",".join(f"{name}={share:.6g}" for name, share in shares.items())
