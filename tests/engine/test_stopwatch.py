"""Growth is given to the innermost phase, and all of it to some phase; told by a clock that only tests move."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustkit.components.phases import phase, watched
from robustkit.engine.cost.stopwatch import Meter, Watches, added, stopwatch


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_belongs_to_the_innermost_phase() -> None:
    hand = Hand()
    meter = Meter(hand)
    with watched(meter):
        hand.now += 1
        with phase("optimizer"):
            hand.now += 2
            with phase("training passes"):
                hand.now += 4
                with phase("attack"):
                    hand.now += 8
                hand.now += 16
            hand.now += 32
        hand.now += 64
    assert meter.taken() == {"other": 65, "optimizer": 34, "training passes": 20, "attack": 8}


def test_a_phase_inside_itself_is_counted_once() -> None:
    hand = Hand()
    meter = Meter(hand)
    with watched(meter), phase("attack"):
        hand.now += 1
        with phase("attack"):
            hand.now += 1
        hand.now += 1
    assert meter.taken() == {"attack": 3}


def test_attacks_while_measuring_are_evaluation() -> None:
    hand = Hand()
    meter = Meter(hand)
    with watched(meter), phase("evaluation"):
        hand.now += 1
        with phase("attack"):
            assert meter.current == "evaluation"
            hand.now += 2
    assert meter.taken() == {"evaluation": 3}


def test_taking_starts_anew_also_within_a_phase() -> None:
    hand = Hand()
    meter = Meter(hand)
    with watched(meter), phase("data"):
        hand.now += 1
        assert meter.taken() == {"data": 1}
        hand.now += 5
    assert meter.taken() == {"data": 5}
    assert meter.taken() == {}


def test_phases_end_also_when_something_is_raised() -> None:
    hand = Hand()
    meter = Meter(hand)

    def broken() -> None:
        with phase("data"), phase("attack"):
            hand.now += 1
            raise ValueError("broken")

    with watched(meter), pytest.raises(ValueError, match="broken"):
        broken()
    hand.now += 2
    assert meter.current == "other"
    assert meter.taken() == {"attack": 1, "other": 2}


NAMES = st.sampled_from(["data", "attack", "training passes", "optimizer", "averaging", "aggregator", "evaluation"])
MOVES = st.lists(st.one_of(st.just("end"), NAMES, st.integers(1, 1000)), max_size=60)


@given(MOVES)
def test_nothing_is_lost_and_nothing_counted_twice(moves: list[str | int]) -> None:
    hand = Hand()
    meter, depth = Meter(hand), 0
    for move in moves:
        if isinstance(move, int):
            hand.now += move
        elif move != "end":
            meter.begin(move)
            depth += 1
        elif depth:
            meter.end()
            depth -= 1
    taken = meter.taken()
    assert sum(taken.values()) == sum(move for move in moves if isinstance(move, int))
    assert all(amount > 0 for amount in taken.values())


def test_nobody_is_told_where_nobody_watches() -> None:
    meter = Meter(Hand())
    with watched(meter):
        pass
    with phase("attack"):
        assert meter.current == "other"


def test_watches_tell_others_while_they_are_there() -> None:
    hand = Hand()
    always, sometimes = Meter(hand), Meter(hand)
    watches = Watches(always)
    with watched(watches):
        with watches.telling(sometimes), phase("data"):
            hand.now += 1
        with phase("attack"):
            hand.now += 2
    assert always.taken() == {"data": 1, "attack": 2}
    assert sometimes.taken() == {"data": 1, "other": 2}


def test_sums_by_phase() -> None:
    assert added({"data": 1.0, "attack": 2.0}, {"attack": 3.0, "other": 4.0}) == {"data": 1, "attack": 5, "other": 4}


def test_the_stopwatch_tells_seconds() -> None:
    watch = stopwatch(torch.device("cpu"))
    with watched(watch), phase("data"):
        torch.ones(1000, 1000).sum()
    assert 0 < watch.taken()["data"] < 60
