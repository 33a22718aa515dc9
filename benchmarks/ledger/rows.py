"""Rows of the ledger: one for a method, its seeds together, and how it differs from another."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scipy.stats import t as student


@dataclass(frozen=True)
class Row:
    """A method's accuracies, in percent, by seed."""

    name: str
    seeds: Mapping[int, Mapping[str, float]]

    def values(self, accuracy: str) -> list[float]:
        """Of every seed."""
        return [found[accuracy] for found in self.seeds.values()]

    @property
    def strongest(self) -> str:
        """The accuracy that counts as robust: AutoAttack's, the worst case over all attacks, or the last attack's."""
        known = list(next(iter(self.seeds.values())))
        return next((name for name in ("autoattack", "worst-case") if name in known), known[-1])

    def cell(self, accuracy: str) -> str:
        """Mean and sample standard deviation."""
        values = self.values(accuracy)
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.1f}{spread}"


@dataclass(frozen=True)
class Difference:
    """Mean difference of an accuracy between two methods, in points, seed by seed, with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


def rows(runs: Iterable[Mapping[str, Any]], order: Iterable[str] = ()) -> list[Row]:
    """One for each method, those of `order` first."""
    found: dict[str, list[Mapping[str, Any]]] = {name: [] for name in order}
    for run in runs:
        found.setdefault(run["name"], []).append(run)
    return [_row(name, group) for name, group in found.items() if group]


def _row(name: str, runs: list[Mapping[str, Any]]) -> Row:
    seeds = {
        run["seed"]: {accuracy: 100 * found for accuracy, found in run["accuracies"].items()}
        for run in sorted(runs, key=lambda run: int(run["seed"]))
    }
    return Row(name, seeds)


def difference(row: Row, base: Row, accuracy: str) -> Difference:
    """Of the seeds that both have, by Student's t for pairs.

    Raises:
        ValueError: they have fewer than two seeds in common.
    """
    pairs = [(row.seeds[seed][accuracy], base.seeds[seed][accuracy]) for seed in row.seeds if seed in base.seeds]
    apart = [one - other for one, other in pairs]
    if len(apart) < 2:
        raise ValueError(f"{row.name} and {base.name} have {len(apart)} seeds in common; an interval takes two.")
    mean = statistics.mean(apart)
    half = float(student.ppf(0.975, len(apart) - 1)) * statistics.stdev(apart) / math.sqrt(len(apart))
    return Difference(mean, mean - half, mean + half)
