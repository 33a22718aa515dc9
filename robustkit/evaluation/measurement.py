"""What an evaluation found, example by example, and the figures that follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor

from robustkit.components.attack import Norm
from robustkit.evaluation.outcome import Record

AVERAGE = "average"
"""Beside the norms in `Measurement.by_norm`."""


@dataclass(frozen=True)
class Accuracy:
    """A share of examples, with its sample size."""

    correct: int
    examples: int

    @property
    def share(self) -> float:
        """Correct examples as a share of all, in [0, 1]."""
        return self.correct / self.examples

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson score interval (Wilson 1927) of the share; it speaks of the sample of examples only."""
        return _wilson(self.share, self.examples)

    def plain(self) -> dict[str, Any]:
        """As report.json holds it."""
        return {
            "accuracy": self.share,
            "correct": self.correct,
            "examples": self.examples,
            "interval": list(self.interval),
        }

    def __str__(self) -> str:
        """`93.1 % (90.4-95.1)`."""
        return _with_interval(self)


@dataclass(frozen=True)
class Average:
    """The mean of several accuracies on the same examples: of the worst cases in several norms."""

    parts: tuple[Accuracy, ...]
    """One or more, all of as many examples."""

    @property
    def examples(self) -> int:
        """The examples behind each part."""
        return self.parts[0].examples

    @property
    def share(self) -> float:
        """The mean of the parts' shares, in [0, 1]."""
        return sum(part.correct for part in self.parts) / (len(self.parts) * self.examples)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of one yes or no an example with this mean.

        An example counts with its mean over the parts, a number in [0, 1], which varies no more than a yes or no of the
        same mean does: the interval is as wide as it need be, or wider. Parts are not counted as so many examples more.
        """
        return _wilson(self.share, self.examples)

    def plain(self) -> dict[str, Any]:
        """As report.json holds it."""
        return {"accuracy": self.share, "examples": self.examples, "interval": list(self.interval)}

    def __str__(self) -> str:
        """`93.1 % (90.4-95.1)`."""
        return _with_interval(self)


Share: TypeAlias = Accuracy | Average
"""What has a `share` and an `interval`."""


@dataclass(frozen=True)
class Measurement:
    """Which examples one network got right, clean and under each attack."""

    natural: Tensor
    """(N,), bool: right on the clean image."""
    attacked: Mapping[str, Tensor] = field(default_factory=dict)
    """By attack, (N,), bool: right on the clean image and still right on the attacked one; where broken examples were
    dropped, also right under every attack before it."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Time spent, by `natural` and attack."""
    record: Record | None = None
    """What became of each example; None where nobody kept it."""
    norms: Mapping[str, Norm] = field(default_factory=dict)
    """By attack, the norm of its budget; without attacks that have none, and empty where broken examples were dropped:
    an attack's figure then includes those of other norms before it."""

    @property
    def worst_case(self) -> Tensor:
        """(N,), bool: right on the clean image and under every attack."""
        return self._under(self.attacked)

    def by_norm(self) -> dict[str, Share]:
        """With attacks of two norms or more, for each norm the worst case over its attacks, and their `average`.

        The worst case over all attacks is the union of the norms: an example counts that stands in each (Tramer and
        Boneh: Adversarial Training and Robustness for Multiple Perturbations, NeurIPS 2019). Otherwise empty.
        """
        groups: dict[Norm, list[str]] = {}
        for name in self.attacked:
            if name in self.norms:
                groups.setdefault(self.norms[name], []).append(name)
        if len(groups) < 2:
            return {}
        worst: dict[str, Accuracy] = {norm: _accuracy(self._under(names)) for norm, names in groups.items()}
        return {**worst, AVERAGE: Average(tuple(worst.values()))}

    def accuracies(self) -> dict[str, Accuracy]:
        """`natural`, each attack, and with two attacks or more `worst-case` over them, example by example."""
        parts = {"natural": self.natural, **self.attacked}
        if len(self.attacked) > 1:
            parts["worst-case"] = self.worst_case
        return {name: _accuracy(right) for name, right in parts.items()}

    def plain(self) -> dict[str, dict[str, Any]]:
        """The accuracies as report.json holds them."""
        return {name: accuracy.plain() for name, accuracy in self.accuracies().items()}

    def passes(self) -> dict[str, dict[str, int]]:
        """By `natural`, attack and `ENSEMBLE/MEMBER`: images sent through the network, and led back to their pixels."""
        return {name: outcome.plain() for name, outcome in self.record.outcomes.items()} if self.record else {}

    def __repr__(self) -> str:
        """One line an accuracy."""
        lines = [f"  {name}: {accuracy}" for name, accuracy in self.accuracies().items()]
        lines += [f"  {norm_label(name)}: {share}" for name, share in self.by_norm().items()]
        return f"Measurement of {len(self.natural)} examples\n" + "\n".join(lines)

    def _under(self, names: Iterable[str]) -> Tensor:
        """(N,), bool: right on the clean image and under every one of these attacks."""
        return torch.stack([self.natural, *(self.attacked[name] for name in names)]).all(0)


def norm_label(name: str) -> str:
    """A figure of `Measurement.by_norm` as tables name it; no attack of a recipe has a space in its name."""
    return "average of norms" if name == AVERAGE else f"worst-case {name}"


def _accuracy(right: Tensor) -> Accuracy:
    return Accuracy(int(right.sum()), len(right))


def _wilson(share: float, n: int) -> tuple[float, float]:
    z = 1.959963984540054
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Rounding must not put 0 of n, or n of n, outside its own interval.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def _with_interval(found: Share) -> str:
    low, high = found.interval
    return f"{100 * found.share:.1f} % ({100 * low:.1f}-{100 * high:.1f})"
