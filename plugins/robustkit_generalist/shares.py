"""Who gets which share of the mix, and what can be wrong with that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from robustkit import Clock, Rate, rate_at
from robustkit.errors import InputError, Problem, did_you_mean, known

TOLERANCE = 1e-9
"""How far a sum of shares may be from 1, and a remainder from 0: float noise of adding decimal fractions."""
_MOMENTS = 10
"""How many moments of an epoch are checked, for schedules that move with every batch."""

Mix = Mapping[str, Rate]


def shares_at(mix: Mix, learners: Sequence[str], clock: Clock) -> dict[str, float]:
    """Every learner's share now; the one that the mix does not name gets what the others leave.

    Raises:
        InputError: the mix does not fit these learners, or the shares are none at this moment.
    """
    named = {name: rate_at(rate, clock) for name, rate in mix.items()}
    faults = [*_wrong_names(mix, learners), *_wrong_values(named, learners, clock)]
    if faults:
        raise InputError("\n".join(f"aggregator generalist: {fault}" for fault in faults))
    remainder = 1.0 - math.fsum(named.values())
    remainder = 0.0 if abs(remainder) <= TOLERANCE else remainder
    return {name: min(max(named[name], 0.0), 1.0) if name in named else remainder for name in learners}


def mix_problems(mix: Mix, learners: Sequence[str], epochs: int) -> list[Problem]:
    """What is wrong with this mix of these learners in such a run; of wrong shares only the first moment is told."""
    faults = list(_wrong_names(mix, learners))
    return faults or next((found for found in _wrong_moments(mix, learners, epochs) if found), [])


def _wrong_moments(mix: Mix, learners: Sequence[str], epochs: int) -> Iterator[list[Problem]]:
    for epoch in range(1, epochs + 1):
        for batch in range(1, _MOMENTS + 1):
            clock = Clock(epochs, _MOMENTS, epoch, batch)
            yield list(_wrong_values({name: rate_at(rate, clock) for name, rate in mix.items()}, learners, clock))


def _wrong_names(mix: Mix, learners: Sequence[str]) -> Iterable[Problem]:
    unknown = [name for name in mix if name not in learners]
    for name in unknown:
        text = f"there is no learner {name!r}.{did_you_mean(name, learners)} {known(learners)}"
        yield Problem(("mix", name), text, on_key=True)
    unnamed = [name for name in learners if name not in mix]
    if len(unnamed) > 1 and not unknown:
        text = "expected a share for every learner, or for all but one, which gets the rest"
        yield Problem(("mix",), f"{text}; without a share: {', '.join(unnamed)}.")


def _wrong_values(named: Mapping[str, float], learners: Sequence[str], clock: Clock) -> Iterable[Problem]:
    for name, share in named.items():
        if not -TOLERANCE <= share <= 1.0 + TOLERANCE:
            text = f"expected a share from 0 to 1, got {share:g} in epoch {clock.epoch}."
            yield Problem(("mix", name), text)
    total = math.fsum(named.values())
    complete = all(name in named for name in learners)
    if total > 1.0 + TOLERANCE or complete and total < 1.0 - TOLERANCE:
        shares = ", ".join(f"{name} {share:g}" for name, share in named.items())
        wanted = "sum to 1, as every learner has one" if complete else "sum to at most 1"
        yield Problem(("mix",), f"expected shares that {wanted}, got {total:.10g} in epoch {clock.epoch}: {shares}.")
