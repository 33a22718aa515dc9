"""Robust accuracy as an attack takes more steps: whether it has converged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from robustkit.components.attack import Attack
from robustkit.components.examples import Examples
from robustkit.curves.measuring import Bench, Report, accuracy, accuracy_from
from robustkit.curves.variation import holder_of, with_steps
from robustkit.errors import InputError
from robustkit.evaluation.measurement import Accuracy
from robustkit.recipe.compute import Compute
from robustkit.recipe.lock import plain

_ROUND = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SETTLED = 0.005  # of the examples: a doubling that breaks no more is taken as convergence


@dataclass(frozen=True)
class StepsCurve:
    """Robust accuracy of one network over the steps of an attack."""

    attack: Mapping[str, Any]
    """The attack as a recipe holds it, with its own steps."""
    own_steps: int
    steps: tuple[int, ...]
    """Ascending."""
    accuracies: tuple[Accuracy, ...]
    """After so many steps, with its sample size and 95 % Wilson interval."""
    natural: Accuracy
    """Without the attack."""

    @property
    def last_fall(self) -> float:
        """By how much accuracy still fell between the last two points, in [-1, 1]; 0 for a single point."""
        shares = [found.share for found in self.accuracies]
        return shares[-2] - shares[-1] if len(shares) > 1 else 0.0

    def cautions(self) -> list[str]:
        """What shows that the attack has not converged, or does not get stronger with more steps."""
        found = []
        if self.last_fall > _SETTLED:
            fall = f"from {self.steps[-2]} to {self.steps[-1]} steps accuracy still falls by {100 * self.last_fall:.1f}"
            found.append(f"{fall} points: the attack has not converged, and more steps would break more.")
        best = min(self.accuracies, key=lambda accuracy: accuracy.correct)
        if self.accuracies[-1].share - best.share > _SETTLED:
            text = f"{self.steps[-1]} steps break less than {self.steps[self.accuracies.index(best)]}"
            found.append(f"{text}: the steps do not fit the network. Try another step size, or apgd-ce.")
        return found

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "curve": "steps",
            "attack": dict(self.attack),
            "own_steps": self.own_steps,
            "natural": self.natural.plain(),
            "cautions": self.cautions(),
            "points": [
                {"steps": steps, **found.plain()} for steps, found in zip(self.steps, self.accuracies, strict=True)
            ],
        }

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> StepsCurve:
        """The curve that `plain` wrote."""
        return cls(
            data["attack"],
            data["own_steps"],
            tuple(point["steps"] for point in data["points"]),
            tuple(map(accuracy_from, data["points"])),
            accuracy_from(data["natural"]),
        )


def steps_curve(
    model: nn.Module,
    examples: Examples,
    attack: Attack,
    *,
    steps: Sequence[int] | None = None,
    name: str | None = None,
    batch_size: int = 500,
    seed: int = 0,
    report: Report | None = None,
    compute: Compute | None = None,
) -> StepsCurve:
    """Measure a network under one attack with fewer and more steps.

    Nothing else changes: a `step_size` that was given stays, and one that the attack derives from its steps follows
    them. The random starts are the same at every point.

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, K).
        examples: what to measure on.
        attack: any attack with a field `steps`, or around such a one.
        steps: by default 1, 2, 5, 10, ... below twice the attack's own, its own, and twice its own.
        name: the attack's name in the seeds, as `evaluate` derives them; by default the attack's own.
        batch_size: examples at a time.
        seed: of the attack's randomness.
        report: told about progress.
        compute: as for `evaluate`.

    Raises:
        InputError: the attack has no steps, or as `evaluate`.
        AttackError: the attack broke its budget.
    """
    own, counts = _own_steps(attack), step_counts(attack, steps)
    bench = Bench(model, examples, name or attack.name, batch_size, seed, report, compute)
    found = tuple(accuracy(bench.standing(with_steps(attack, count), steps_label(count))) for count in counts)
    return StepsCurve(plain(attack), own, counts, found, accuracy(bench.natural()))


def step_counts(attack: Attack, steps: Sequence[int] | None = None) -> tuple[int, ...]:
    """The numbers of steps to measure at, ascending and each once: those given, else up to twice the attack's own.

    Raises:
        InputError: the attack has no steps, or a number is below 1.
    """
    own = _own_steps(attack)
    chosen = {own, 2 * own, *(count for count in _ROUND if count < 2 * own)} if steps is None else set(steps)
    if not chosen or min(chosen) < 1:
        raise InputError(f"expected steps of at least 1, got {sorted(chosen)}.")
    return tuple(sorted(chosen))


def steps_label(steps: int) -> str:
    """What a report of progress calls a point."""
    return f"{steps} step" if steps == 1 else f"{steps} steps"


def _own_steps(attack: Attack) -> int:
    holder: Any = holder_of(attack, "steps")
    return int(holder.steps)
