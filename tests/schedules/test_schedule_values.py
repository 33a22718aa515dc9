"""Values worked out by hand, exact ends, and what recipes may and may not say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from robustkit_optimizers import SGD
from robustkit_schedules import Cosine, OneCycle, Steps, WarmUp

from robustkit import Clock, Schedule, make, rate_at
from robustkit.errors import ComponentError

RATES = st.floats(-10, 10, allow_subnormal=False)


def test_steps_change_in_the_milestones_epoch() -> None:
    steps = Steps(start=0.1, milestones=(75, 90))
    values = {epoch: steps(epoch, 100) for epoch in (1, 74, 75, 89, 90, 100)}
    assert values == pytest.approx({1: 0.1, 74: 0.1, 75: 0.01, 89: 0.01, 90: 0.001, 100: 0.001})
    assert steps.extremes() == pytest.approx((0.1, 0.001))
    assert steps.last_epoch == 90
    assert not steps.per_batch


@given(start=RATES, end=RATES, epochs=st.integers(1, 500), every_batch=st.booleans())
def test_cosine_starts_and_ends_exactly(start: float, end: float, epochs: int, every_batch: bool) -> None:
    cosine = Cosine(start=start, end=end, every_batch=every_batch)
    assert cosine(0 if every_batch else 1, epochs) == start
    assert cosine(epochs if every_batch else epochs + 1, epochs) == end
    assert cosine.extremes() == (start, end)
    assert cosine.last_epoch == 0


def test_cosine_is_half_way_at_half_time() -> None:
    assert Cosine(start=1.0, end=0.2)(5, 10) == pytest.approx(0.6)
    assert Cosine(start=1.0)(2.5, 10) == pytest.approx(0.5 + 0.5**0.5 / 2)
    assert [Cosine(start=1.0, every_batch=False)(epoch, 2) for epoch in (1, 2)] == [1.0, pytest.approx(0.5)]


@given(peak=RATES, peak_at=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), shape=st.sampled_from(["cosine", "linear"]))
def test_one_cycle_is_exact_at_start_peak_and_end(peak: float, peak_at: float, shape: str) -> None:
    cycle = OneCycle(peak=peak, start=0.5, end=0.25, peak_at=peak_at, shape=shape)  # type: ignore[arg-type]
    assert cycle(peak_at * 40, 40) == peak
    assert cycle(0, 40) == (0.5 * peak if peak_at > 0 else peak)
    assert cycle(40, 40) == (0.25 * peak if peak_at < 1 else peak)
    assert cycle.extremes() == (0.5 * peak, peak, 0.25 * peak)


def test_one_cycle_in_straight_lines_by_hand() -> None:
    cycle = OneCycle(peak=1.0, start=0.2, end=0.0, peak_at=0.4, shape="linear")
    assert [cycle(epoch, 10) for epoch in (0, 2, 4, 7, 10)] == pytest.approx([0.2, 0.6, 1.0, 0.5, 0.0])
    held = OneCycle(peak=1.0, start=0.2, end=0.0, peak_at=0.4, shape="linear", every_batch=False)
    assert [held(epoch, 10) for epoch in (1, 3, 5, 8)] == pytest.approx([0.2, 0.6, 1.0, 0.5])
    assert (cycle.per_batch, held.per_batch) == (True, False)


def test_warm_up_rises_batch_by_batch_to_the_number_that_follows() -> None:
    clock, seen = Clock(epochs=3, batches=4), []
    for epoch in (1, 2, 3):
        clock.start_epoch(epoch)
        for _ in range(4):
            seen.append(rate_at(WarmUp(epochs=1.5, then=0.6), clock))
            clock.tick()
    assert seen == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, *[0.6] * 6])


def test_warm_up_leads_to_where_the_other_schedule_then_is_and_does_not_delay_it() -> None:
    cosine = Cosine(start=1.0)
    warm = WarmUp(epochs=2, then=cosine, start=0.1)
    assert warm(0, 8) == 0.1
    assert warm(1, 8) == pytest.approx((0.1 + cosine(2, 8)) / 2)
    assert [warm(epoch, 8) for epoch in (2, 3.5, 8)] == [cosine(epoch, 8) for epoch in (2, 3.5, 8)]


def test_after_a_warm_up_a_schedule_by_epochs_holds_for_each_epoch() -> None:
    steps = Steps(start=1.0, milestones=(3, 4), factor=0.5)
    warm = WarmUp(epochs=1, then=steps)
    clock = Clock(epochs=4, batches=2)
    for epoch in (2, 3, 4):
        clock.start_epoch(epoch)
        for _ in range(2):
            assert rate_at(warm, clock) == steps(epoch, 4)
            clock.tick()
    assert warm(4, 4) == 0.25  # the end of the run is still its last epoch
    assert WarmUp(epochs=4, then=steps)(2, 4) == 0.125  # half-way to the last epoch's value


@given(start=RATES, then=RATES, epochs=st.floats(0.1, 5))
def test_warm_up_is_exact_at_both_ends(start: float, then: float, epochs: float) -> None:
    warm = WarmUp(epochs=epochs, then=then, start=start)
    assert (warm(0, 5), warm(epochs, 5)) == (start, then)
    assert set(warm.extremes()) == {start, then}
    assert warm.per_batch


def test_warm_up_speaks_of_the_later_of_both_ends() -> None:
    assert WarmUp(epochs=5, then=1.0).last_epoch == 5
    assert WarmUp(epochs=5, then=Steps(start=1.0, milestones=(3, 9))).last_epoch == 9
    assert WarmUp(epochs=5, then=Steps(start=1.0, milestones=(3, 9))).extremes() == pytest.approx((0, 1, 0.01))


def test_recipes_nest_schedules_and_write_points() -> None:
    nested = make("schedule", "warm-up", epochs=5, then={"use": "cosine", "start": "1e-1"})
    assert nested == WarmUp(epochs=5, then=Cosine(start=0.1))
    assert make("schedule", "warm_up", epochs=1, then={0: 0.2, 4: 0.1})(4, 4) == 0.1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        (Steps, {"start": 1, "milestones": []}, "milestones: expected at least one epoch"),
        (Steps, {"start": 1, "milestones": [5, 3]}, "milestones[1]: expected an epoch after 5, got 3"),
        (Steps, {"start": 1, "milestones": [0]}, "milestones[0]"),
        (Steps, {"start": 1, "milestones": [3], "factor": 0}, "factor"),
        (OneCycle, {"peak": 1, "peak_at": 1.5}, "peak_at"),
        (OneCycle, {"peak": 1, "shape": "cosinus"}, "Did you mean 'cosine'?"),
        (WarmUp, {"epochs": 0, "then": 1}, "epochs"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: type[Schedule], fields: dict[str, object], expected: str) -> None:
    with pytest.raises(ComponentError) as raised:
        kind(**fields)
    assert expected in str(raised.value)


@pytest.mark.parametrize(
    "schedule",
    [
        Cosine(start=0.1, end=-0.1),
        OneCycle(peak=-1.0),
        Steps(start=-1.0, milestones=(2,)),
        WarmUp(epochs=1, then=0.1, start=-0.1),
        WarmUp(epochs=1, then=Cosine(start=-0.1)),
    ],
    ids=repr,
)
def test_a_learning_rate_below_0_is_found_before_the_run(schedule: Schedule) -> None:
    with pytest.raises(ComponentError, match="sgd: lr"):
        SGD(lr=schedule)
