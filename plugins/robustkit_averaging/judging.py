"""How good weights are: natural and robust accuracy on held-out images, weighed by one number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from robustkit import Attack, Bench, LearnerWeights
from robustkit_averaging.mixing import Statistics, mixed

Verdict: TypeAlias = dict[str, float]
"""`natural`, `robust` where an attack was tried, and `score`."""


def judged(
    bench: Bench,
    learners: Mapping[str, LearnerWeights],
    shares: Mapping[str, float],
    *,
    attack: Attack | None,
    robust_weight: float,
    batch_norm: Statistics,
) -> Verdict:
    """Measure a mix: its score is (1 - robust_weight) * natural + robust_weight * robust accuracy.

    Without an attack the score is natural accuracy.
    """
    attacks = {} if attack is None else {"robust": attack}
    found = bench.measure(mixed(learners, shares), attacks, recompute_batch_norm=batch_norm == "recompute")
    weight = robust_weight if attack is not None else 0.0
    # Rounded, so that mixes which are equally good in fact do not differ by the last bit of this sum.
    score = round((1.0 - weight) * found["natural"] + weight * found.get("robust", 0.0), 12)
    return {**found, "score": score}
