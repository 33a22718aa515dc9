"""Settings drawn at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from robustkit import Interval, Searcher, Trial


@dataclass(frozen=True)
class RandomSearch(Searcher):
    """Every setting drawn uniformly from its range, or uniformly in its logarithm; what was tried changes nothing.

    Bergstra and Bengio: Random Search for Hyper-Parameter Optimization, JMLR 13, 2012: for equal numbers of trials it
    finds better settings than a grid where only some of them matter.
    """

    name = "random"

    def propose(
        self, space: Mapping[str, Interval | tuple[Any, ...]], trials: Sequence[Trial], seed: int
    ) -> Mapping[str, Any]:
        """A draw."""
        draws = Random(seed)
        return {path: _drawn(allowed, draws) for path, allowed in space.items()}


def _drawn(allowed: Interval | tuple[Any, ...], draws: Random) -> Any:
    if not isinstance(allowed, Interval):
        return draws.choice(allowed)
    margin = 0.5 if allowed.whole else 0.0  # so that both ends are as likely as what lies between
    low, high = allowed.low - margin, allowed.high + margin
    value = math.exp(draws.uniform(math.log(low), math.log(high))) if allowed.log else draws.uniform(low, high)
    value = min(max(value, allowed.low), allowed.high)
    return min(max(round(value), int(allowed.low)), int(allowed.high)) if allowed.whole else value
