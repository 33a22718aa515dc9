"""Robust accuracy as an attack's eps grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robustkit.components.attack import Attack, Norm
from robustkit.components.examples import Examples
from robustkit.curves.measuring import Bench, Report, accuracy, accuracy_from
from robustkit.curves.variation import budget_of, whole_range, with_eps
from robustkit.errors import InputError
from robustkit.evaluation.measurement import Accuracy
from robustkit.recipe.compute import Compute
from robustkit.recipe.lock import plain

FACTORS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0)
"""The default eps as multiples of the attack's own; the whole range of an image comes after them."""


@dataclass(frozen=True)
class EpsCurve:
    """Robust accuracy of one network over eps, in units of [0, 1] pixels."""

    attack: Mapping[str, Any]
    """The attack as a recipe holds it, with its own eps."""
    norm: Norm
    own_eps: float | None
    """The attack's own eps; None if it has none."""
    whole: float
    """The eps at which an attack may replace the whole image: only a constant network stands there."""
    eps: tuple[float, ...]
    """Ascending, E of them."""
    accuracies: tuple[Accuracy, ...]
    """At each eps, with its sample size and 95 % Wilson interval."""
    bounds: tuple[Accuracy, ...]
    """At each eps, counting only examples that also stood at every smaller one: they are in the larger ball, too."""
    nested: bool = False
    """Examples broken at a smaller eps were taken as broken at the larger ones and not attacked again."""

    @property
    def monotone(self) -> bool:
        """Whether accuracy never rises with eps. Larger balls contain the smaller: a rise is the attack's failure."""
        shares = [found.correct for found in self.accuracies]
        return all(later <= earlier for earlier, later in zip(shares, shares[1:], strict=False))

    def cautions(self) -> list[str]:
        """What in the curve shows that the attack is too weak, or that the network hides its gradients."""
        found = []
        missed = max(a.correct - b.correct for a, b in zip(self.accuracies, self.bounds, strict=True))
        if missed:
            count = f"{missed} of {self.accuracies[0].examples} examples stand"
            risen = "" if self.monotone else "accuracy rises with eps: "
            found.append(f"{risen}up to {count} at an eps although a smaller one broke them: the attack misses these.")
        last = self.accuracies[-1]
        if self.eps[-1] >= self.whole and last.correct:
            text = f"at eps {self.eps[-1]:g}, where any image is allowed, {100 * last.share:.1f} % stand"
            found.append(f"{text}: an attack that worked would leave none. Suspect masked gradients.")
        return found

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "curve": "eps",
            "attack": dict(self.attack),
            "norm": self.norm,
            "own_eps": self.own_eps,
            "whole_range": self.whole,
            "nested": self.nested,
            "monotone": self.monotone,
            "cautions": self.cautions(),
            "points": [
                {"eps": eps, **found.plain(), "bound": bound.plain()}
                for eps, found, bound in zip(self.eps, self.accuracies, self.bounds, strict=True)
            ],
        }

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> EpsCurve:
        """The curve that `plain` wrote."""
        points = data["points"]
        return cls(
            data["attack"],
            data["norm"],
            data["own_eps"],
            data["whole_range"],
            tuple(point["eps"] for point in points),
            tuple(accuracy_from(point) for point in points),
            tuple(accuracy_from(point["bound"]) for point in points),
            data["nested"],
        )


def eps_curve(
    model: nn.Module,
    examples: Examples,
    attack: Attack,
    *,
    eps: Sequence[float] | None = None,
    nested: bool = False,
    name: str | None = None,
    batch_size: int = 500,
    seed: int = 0,
    report: Report | None = None,
    compute: Compute | None = None,
) -> EpsCurve:
    """Measure a network under one attack with one eps after the other.

    A `step_size` that the attack was given is scaled with eps; all else, random starts included, is the same at every
    eps. Each eps is measured by itself, so that a curve that rises shows. At eps 0 nothing is attacked.

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, K).
        examples: what to measure on.
        attack: any attack with a field `eps`, or around such a one.
        eps: in units of [0, 1] pixels; by default 0, 1/4, 1/2, 1, 3/2, 2 and 4 times the attack's own, and the whole
            range of an image: 1 in Linf, where any image is allowed and nothing can be robust.
        nested: take what a smaller eps broke as broken at every larger one, without trying; cheaper, and a bound that
            is at least as sharp, but it can show no rise.
        name: the attack's name in the seeds, as `evaluate` derives them; by default the attack's own.
        batch_size: examples at a time.
        seed: of the attack's randomness.
        report: told about progress.
        compute: as for `evaluate`.

    Raises:
        InputError: the attack has no eps, an eps is out of range, or as `evaluate`.
        AttackError: the attack broke its budget.
    """
    values = eps_values(attack, examples, eps)
    norm = budget_of(with_eps(attack, values[-1])).norm
    bench = Bench(model, examples, name or attack.name, batch_size, seed, report, compute)
    natural = bench.natural()
    standing: list[Tensor] = []
    for value in values:
        among = torch.stack([natural, *standing]).all(0) if nested else None
        changed = with_eps(attack, value) if value > 0 else None
        standing.append(natural if changed is None else bench.standing(changed, eps_label(value), among))
    bounds = [torch.stack(standing[: count + 1]).all(0) for count in range(len(standing))]
    own = attack.budget
    return EpsCurve(
        attack=plain(attack),
        norm=norm,
        own_eps=own.eps if own else None,
        whole=whole_range(own or budget_of(with_eps(attack, values[-1])), examples),
        eps=values,
        accuracies=tuple(map(accuracy, standing)),
        bounds=tuple(map(accuracy, bounds)),
        nested=nested,
    )


def eps_values(attack: Attack, examples: Examples, eps: Sequence[float] | None = None) -> tuple[float, ...]:
    """The eps to measure at, ascending and each once: those given, else the attack's own times `FACTORS`.

    Raises:
        InputError: the attack has no eps to start from, or an eps is out of range.
    """
    if eps is not None:
        if not eps or min(eps) < 0 or max(eps) == 0:
            raise InputError(f"expected eps of at least 0, one of them above, got {list(eps)}.")
        return tuple(sorted(set(eps)))
    budget = budget_of(attack)
    whole = whole_range(budget, examples)
    if budget.eps == 0:
        raise InputError("the attack's eps is 0: give the eps to measure at.")
    return tuple(sorted({factor * budget.eps for factor in FACTORS if factor * budget.eps < whole} | {whole}))


def eps_label(eps: float) -> str:
    """What a report of progress calls a point."""
    return f"eps {eps:.4g}"
