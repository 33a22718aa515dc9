"""When Generalist deals the merged weights out."""

from __future__ import annotations

import pytest
from robustkit_generalist import Generalist
from two_floats import moments


def dealt(epochs, batches, **fields):
    aggregator = Generalist(mix={}, **fields)
    return [(clock.epoch, clock.batch) for clock in moments(epochs, batches) if aggregator.redistributes(clock)]


@pytest.mark.parametrize(
    ("redistribute", "expected"),
    [
        ("epoch_end", [(6, 2), (9, 2)]),
        ("epoch_start", [(6, 0), (9, 0)]),
        ("every_batch", [(6, 1), (6, 2), (9, 1), (9, 2)]),
        ("never", []),
    ],
)
def test_of_ten_epochs_every_third_from_the_fourth(redistribute, expected):
    assert dealt(10, 2, start_epoch=4, every_epochs=3, redistribute=redistribute) == expected


def test_the_start_itself_counts():
    assert dealt(10, 2, start_epoch=6, every_epochs=3) == [(6, 2), (9, 2)]
    assert dealt(10, 2, start_epoch=7, every_epochs=3) == [(9, 2)]


def test_by_default_every_fifth_epoch_ends_with_it():
    assert dealt(11, 3) == [(5, 3), (10, 3)]


def test_the_released_run_holds_the_learners_in_ten_of_its_last_46_epochs():
    held = {epoch for epoch, _ in dealt(120, 2, start_epoch=75, every_epochs=5, redistribute="every_batch")}
    assert held == {75, 80, 85, 90, 95, 100, 105, 110, 115, 120}


def test_an_epoch_of_one_batch():
    assert dealt(3, 1, every_epochs=1) == [(1, 1), (2, 1), (3, 1)]
    assert dealt(3, 1, every_epochs=1, redistribute="epoch_start") == [(1, 0), (2, 0), (3, 0)]


def test_optimizers_and_batch_norm_are_as_the_fields_say():
    assert not Generalist(mix={}).resets_optimizers
    assert Generalist(mix={}, optimizer_state="reset").resets_optimizers
    clocks = list(moments(2, 2))
    assert not any(Generalist(mix={}).recomputes_batch_norm(clock) for clock in clocks)
    assert not any(Generalist(mix={}, batch_norm="robust").recomputes_batch_norm(clock) for clock in clocks)
    assert all(Generalist(mix={}, batch_norm="recompute").recomputes_batch_norm(clock) for clock in clocks)
