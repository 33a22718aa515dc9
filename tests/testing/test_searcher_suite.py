"""The suite for searchers finds what is wrong with broken ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from robustkit_search.random_search import RandomSearch
from suite_failures import failures

from robustkit import Searcher, Trial
from robustkit.testing import SearcherSuite

SOUND = RandomSearch()
memory: list[Mapping[str, Any]] = []


def unseeded(space: Any, trials: Sequence[Trial], seed: int) -> Mapping[str, Any]:
    return SOUND.propose(space, trials, random.getrandbits(60))


def outside(space: Any, trials: Sequence[Trial], seed: int) -> Mapping[str, Any]:
    return {**SOUND.propose(space, trials, seed), "epochs": 10}


def fractions(space: Any, trials: Sequence[Trial], seed: int) -> Mapping[str, Any]:
    return {**SOUND.propose(space, trials, seed), "epochs": 4.5}


def one_missing(space: Any, trials: Sequence[Trial], seed: int) -> Mapping[str, Any]:
    return dict(list(SOUND.propose(space, trials, seed).items())[1:])


def remembers(space: Any, trials: Sequence[Trial], seed: int) -> Mapping[str, Any]:
    memory.append(SOUND.propose(space, trials, seed))
    return memory[-2 if len(memory) > 1 else -1]


def stands_still(space: Any, trials: Sequence[Trial], seed: int) -> Mapping[str, Any]:
    return SOUND.propose(space, trials, 1)


def forgets_a_trial(space: Any, trials: Any, seed: int) -> Mapping[str, Any]:
    if trials:
        trials = trials.clear() if isinstance(trials, list) else trials
    return SOUND.propose(space, (), seed)


BROKEN = [
    (unseeded, "test_proposes_the_same_again"),
    (outside, "test_proposes_what_is_in_the_space"),
    (fractions, "test_proposes_what_is_in_the_space"),
    (one_missing, "test_proposes_what_is_in_the_space"),
    (remembers, "test_keeps_nothing_between_proposals"),
    (stands_still, "test_does_not_stand_still"),
    (forgets_a_trial, "test_changes_nothing_it_is_handed"),
]


class Proposing(Searcher):
    """Proposes as a test says."""

    name = "proposing"

    def propose(self, space: Any, trials: Sequence[Trial], seed: int) -> Mapping[str, Any]:
        raise NotImplementedError("the test puts its own in this place")


@pytest.mark.parametrize(("propose", "test"), BROKEN)
def test_broken_searchers(propose: Callable[..., Any], test: str) -> None:
    memory.clear()
    cls = type("Broken", (Proposing,), {"name": "broken", "propose": staticmethod(propose), "__doc__": "Broken."})
    assert test in failures(SearcherSuite, cls())


def test_a_sound_one_passes() -> None:
    assert failures(SearcherSuite, SOUND) == {}
