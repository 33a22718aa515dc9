"""Natural and robust accuracy between a finished run's learners: the trade-off, chosen after training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from robustkit.components.attack import Attack
from robustkit.components.examples import Examples
from robustkit.components.randomness import derive
from robustkit.curves.measuring import accuracy_from
from robustkit.curves.mixing import Mixer, Statistics, simplex, written
from robustkit.engine.arithmetic import place
from robustkit.engine.results import FinishedRun
from robustkit.errors import InputError
from robustkit.evaluation.evaluator import evaluate
from robustkit.evaluation.measurement import Accuracy
from robustkit.recipe.lock import plain
from robustkit.recipe.schema import Recipe

Split = Literal["validation", "test"]
Report = Callable[[str, str, int, int], None]
"""Told (the mix, what is measured, examples done, examples in all) after every batch."""


@dataclass(frozen=True)
class Mix:
    """One measured mix."""

    shares: Mapping[str, float]
    """By learner, adding up to 1; empty for the run's own global learner."""
    accuracies: Mapping[str, Accuracy]
    """`natural`, each attack, and `worst-case` over several, with sample sizes."""

    @property
    def natural(self) -> Accuracy:
        """On clean images."""
        return self.accuracies["natural"]

    @property
    def robust(self) -> Accuracy:
        """Under the attack; under several, in the worst case over them, example by example."""
        return list(self.accuracies.values())[-1]

    def score(self, weight: float) -> float:
        """`weight` times natural plus `1 - weight` times robust accuracy."""
        return weight * self.natural.share + (1.0 - weight) * self.robust.share

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        found = {name: accuracy.plain() for name, accuracy in self.accuracies.items()}
        return {"shares": dict(self.shares), "accuracies": found}


@dataclass(frozen=True)
class MixPath:
    """The mixes of one run's learners, measured on one split under the same attacks."""

    run: str
    learners: tuple[str, ...]
    split: Split
    attacks: Mapping[str, Any]
    """By name, as a recipe holds them."""
    batch_norm: Statistics | None
    """Where the mixes had their BatchNorm statistics from; learners keep their own. None for a network without."""
    mixes: tuple[Mix, ...]
    """From the first learner alone to the last alone; for three and more the grid on the simplex, in the same order."""
    merged: Mix
    """The run's own global learner, measured likewise."""

    def best(self, weight: float = 0.5) -> Mix:
        """The mix with the largest `weight * natural + (1 - weight) * robust`; of equals the first.

        Raises:
            InputError: the weight is outside [0, 1].
        """
        if not 0.0 <= weight <= 1.0:
            raise InputError(f"expected a weight from 0 (robust only) to 1 (natural only), got {weight:g}.")
        return max(self.mixes, key=lambda mix: mix.score(weight))

    def caution(self) -> str:
        """What a choice among these mixes is worth."""
        count = self.merged.natural.examples
        if self.split == "test":
            text = f"These are the {count:,} test examples: a mix chosen here has no unbiased test figures left."
            return f"{text} Choose on the validation split (the default), and report this one."
        text = f"Measured on {count:,} validation examples, so that the choice does not touch the test split"
        return f"{text}; figures whose intervals overlap may change places there."

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "curve": "mix",
            "run": self.run,
            "learners": list(self.learners),
            "split": self.split,
            "attacks": dict(self.attacks),
            "batch_norm": self.batch_norm,
            "mixes": [mix.plain() for mix in self.mixes],
            "global": self.merged.plain(),
            "caution": self.caution(),
        }

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> MixPath:
        """The path that `plain` wrote."""
        return cls(
            data["run"],
            tuple(data["learners"]),
            data["split"],
            data["attacks"],
            data["batch_norm"],
            tuple(map(_mix_from, data["mixes"])),
            _mix_from(data["global"]),
        )


def mix_path(
    run: FinishedRun,
    *,
    grid: int = 11,
    attacks: Mapping[str, Attack] | None = None,
    split: Split = "validation",
    examples: int | None = None,
    batch_size: int | None = None,
    batch_norm: Statistics = "average",
    recipe: Recipe | None = None,
    report: Report | None = None,
) -> MixPath:
    """Measure mixes of a finished run's learners: along a line for two, on a grid over the simplex for more.

    Weights are averaged tensor by tensor. All mixes are attacked from the same random starts as in the run's own
    evaluation, so the ends have the very figures of its report (on the test split).

    Args:
        run: a finished run with two learners or more.
        grid: points on each edge: 11 for shares of 0, 0.1, ..., 1.
        attacks: by the names the result uses; by default the recipe's `evaluation.attacks` on the validation split (the
            `final_attacks` where there are none), and its `final_attacks` on the test split.
        split: where to measure. What is chosen on the test split has no unbiased figures there any more.
        examples: only the first so many.
        batch_size: examples at a time; by default the recipe's.
        batch_norm: where every mix but the learners themselves has its BatchNorm statistics from. `average`: the
            learners' own in the mix's shares. `recompute`: a pass over the clean training images. A learner that trains
            on attacked images has the statistics of those, and loses robust accuracy without them.
        recipe: the run's, where its data lies elsewhere now.
        report: told about progress.

    Raises:
        RobustkitError: missing weights or data, a single learner, no validation examples, no attack.
    """
    mixer = Mixer(run, recipe, batch_norm=batch_norm)
    chosen = dict(attacks) if attacks is not None else attacks_on(mixer.recipe, split)
    if not chosen:
        raise InputError("the recipe names no attacks, and without one there is no trade-off. Name one: --attack SPEC.")
    size = batch_size or mixer.recipe.evaluation.batch_size
    bench = _Bench(mixer, _examples(mixer, split, examples), chosen, size, report)
    merged = run.model("global", device=mixer.device)
    place(merged, mixer.recipe.compute, mixer.device)
    points = [dict(zip(mixer.learners, shares, strict=True)) for shares in simplex(len(mixer.learners), grid)]
    return MixPath(
        run=str(run.path),
        learners=mixer.learners,
        split=split,
        attacks={name: plain(attack) for name, attack in chosen.items()},
        batch_norm=batch_norm if mixer.has_batch_norm else None,
        mixes=tuple(bench.measured(mixer.network(shares), shares) for shares in points),
        merged=bench.measured(merged, {}),
    )


@dataclass(frozen=True)
class _Bench:
    """What every mix is measured with."""

    mixer: Mixer
    examples: Examples
    attacks: Mapping[str, Attack]
    batch_size: int
    report: Report | None

    def measured(self, network: nn.Module, shares: Mapping[str, float]) -> Mix:
        def heard(part: str, done: int, total: int) -> None:
            if self.report is not None:
                self.report(written(shares) or "global", part, done, total)

        recipe = self.mixer.recipe
        seed = derive(recipe.seed, "evaluation")
        settings: dict[str, Any] = {"batch_size": self.batch_size, "seed": seed, "compute": recipe.compute}
        return Mix(shares, evaluate(network, self.examples, self.attacks, report=heard, **settings).accuracies())


def attacks_on(recipe: Recipe, split: Split) -> dict[str, Attack]:
    """The attacks that a recipe measures this split with."""
    evaluation = recipe.evaluation
    return dict((evaluation.attacks or evaluation.final_attacks) if split == "validation" else evaluation.final_attacks)


def _examples(mixer: Mixer, split: Split, count: int | None) -> Examples:
    data = mixer.data
    whole = data.validation if split == "validation" else data.test
    if len(whole) == 0:
        raise InputError(
            f"{mixer.run.path} held out no validation examples: choose on the test split, and say so: --split test."
        )
    return whole if count is None else whole.subset(torch.arange(min(count, len(whole))))


def _mix_from(data: Mapping[str, Any]) -> Mix:
    return Mix(data["shares"], {name: accuracy_from(found) for name, found in data["accuracies"].items()})
