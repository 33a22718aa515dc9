"""Two networks on the same examples: what differs, example by example, and whether that is more than noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robustkit.errors import InputError
from robustkit.evaluation.outcome import Record
from robustkit.evaluation.store import pairs

SIGNIFICANCE = 0.05
"""Differences with a smaller p-value are called more than noise."""


@dataclass(frozen=True)
class Difference:
    """One accuracy of two networks, on the examples both were measured on."""

    part: str
    """natural, an attack, or worst-case."""
    examples: int
    first: int
    """Examples that the first network gets right."""
    second: int
    """Examples that the second network gets right."""
    only_first: Tensor
    """(a,), int64: places in the first network's examples that it alone gets right."""
    only_second: Tensor
    """(b,), int64: places in the first network's examples that the second alone gets right."""

    @property
    def points(self) -> float:
        """The second's accuracy minus the first's, in percentage points."""
        return 100.0 * (self.second - self.first) / self.examples

    @property
    def p_value(self) -> float:
        """Of the exact McNemar test, two-sided (McNemar 1947; a binomial test on the examples that flipped)."""
        return mcnemar(len(self.only_first), len(self.only_second))

    @property
    def is_noise(self) -> bool:
        """Whether chance alone would often make such a difference between two equally good networks."""
        return self.p_value >= SIGNIFICANCE

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of `points` (Wald's, on paired shares): it speaks of the sample of examples only."""
        n, lost, won = self.examples, len(self.only_first), len(self.only_second)
        variance = (won + lost - (won - lost) ** 2 / n) / n**2
        half = 100.0 * 1.959963984540054 * math.sqrt(max(0.0, variance))
        return self.points - half, self.points + half

    @property
    def verdict(self) -> str:
        """In words."""
        if self.is_noise:
            return "within noise"
        return "the second is better" if self.points > 0 else "the first is better"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "part": self.part,
            "examples": self.examples,
            "first": self.first,
            "second": self.second,
            "points": self.points,
            "interval": list(self.interval),
            "p_value": self.p_value,
            "verdict": self.verdict,
            "only_first": self.only_first.tolist(),
            "only_second": self.only_second.tolist(),
        }


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided exact p-value that so many examples flip each way where either way is equally likely."""
    flipped = only_first + only_second
    tail = sum(math.comb(flipped, k) for k in range(min(only_first, only_second) + 1))
    # Whole numbers of any size divide exactly, where powers of two would leave the range of floats.
    p_value: float = 2 * tail / 2**flipped
    return min(1.0, p_value)


def paired(first: Record, second: Record) -> list[Difference]:
    """Compare two records, for `natural`, every attack that both have, and `worst-case` where both have two or more.

    Raises:
        InputError: they have no example in common.
    """
    here, there = pairs(first, second)
    if not len(here):
        raise InputError("the two were measured on different examples: there is nothing to pair.")
    return list(_differences(first, second, here, there))


class Pair:
    """Two records side by side, as tables.

    Raises:
        InputError: they have no example in common.
    """

    def __init__(self, first: Record, second: Record) -> None:
        self.first, self.second, self.differences = first, second, paired(first, second)

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows: a difference a row."""
        head = ["accuracy", "difference", "95 % interval", "only first", "only second", "p", "verdict"]
        return head, [_cells(difference) for difference in self.differences]

    def flips(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows: an example a row that only one of the two gets right, under each accuracy."""
        here, there = pairs(self.first, self.second)
        place = dict(zip(here.tolist(), there.tolist(), strict=True))
        rows = []
        for difference in self.differences:
            only = [(index, "first") for index in difference.only_first.tolist()]
            only += [(index, "second") for index in difference.only_second.tolist()]
            for index, right in sorted(only):
                label = int(self.first.labels[index])
                made = [_prediction(self.first, difference.part, index)]
                made.append(_prediction(self.second, difference.part, place[index]))
                rows.append([difference.part, str(index), right, str(label), *made])
        return ["accuracy", "example", "right", "class", "first says", "second says"], rows


def _cells(difference: Difference) -> list[str]:
    low, high = difference.interval
    flipped = [str(len(difference.only_first)), str(len(difference.only_second))]
    points = f"{difference.points:+.1f} points"
    return [
        difference.part,
        points,
        f"{low:+.1f} to {high:+.1f}",
        *flipped,
        f"{difference.p_value:.2g}",
        difference.verdict,
    ]


def _prediction(record: Record, part: str, index: int) -> str:
    """What a network makes of an example in the end; it is not attacked where it is wrong already."""
    outcome = record.worst if part == "worst-case" else record.outcomes[part]
    prediction = int(outcome.prediction[index])
    return str(prediction if prediction >= 0 else int(record.outcomes["natural"].prediction[index]))


def _differences(first: Record, second: Record, here: Tensor, there: Tensor) -> Iterator[Difference]:
    names = ["natural", *(name for name in first.attacks if name in second.attacks)]
    if min(len(first.attacks), len(second.attacks)) > 1:
        names.append("worst-case")
    for name in names:
        one, other = _right(first, name)[here], _right(second, name)[there]
        flips = here[one & ~other], here[other & ~one]
        yield Difference(name, len(here), int(one.sum()), int(other.sum()), *flips)


def _right(record: Record, part: str) -> Tensor:
    natural = record.outcomes["natural"].prediction == record.labels
    if part == "natural":
        return natural
    if part == "worst-case":
        attacked = [record.outcomes[name].prediction == record.labels for name in record.attacks]
        return natural & torch.stack(attacked).all(0)
    return natural & (record.outcomes[part].prediction == record.labels)
