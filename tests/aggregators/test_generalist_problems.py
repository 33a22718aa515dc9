"""What Generalist says about a recipe it cannot run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from robustkit_generalist import Generalist

from robustkit import Schedule
from robustkit.components.schedule import Linear
from robustkit.errors import ComponentError

LEARNERS = ["natural", "robust"]


def problems(learners=LEARNERS, epochs=10, **fields):
    return list(Generalist(**fields).problems_in_run(learners, epochs))


@pytest.mark.parametrize(
    ("mix", "learners"),
    [
        ({"robust": 0.5}, LEARNERS),
        ({"robust": 0}, LEARNERS),
        ({"robust": 1}, LEARNERS),
        ({"robust": 0.3, "natural": 0.7}, LEARNERS),
        ({"robust": {1: 1.0, 10: 0.4}, "natural": {1: 0.0, 10: 0.6}}, LEARNERS),
        ({"a": 0.1, "b": 0.2, "c": 0.7}, ["a", "b", "c"]),
        ({"a": 0.5, "b": 0.5}, ["a", "b", "c"]),
        ({}, ["only"]),
        ({"only": 1.0}, ["only"]),
        ({"robust": {1: "2/3", 10: "1/3"}}, LEARNERS),
    ],
    ids=repr,
)
def test_sound_mixes(mix, learners):
    assert problems(learners, mix=mix) == []


def test_an_unknown_learner_is_named_on_its_key():
    (problem,) = problems(mix={"robst": 0.5})
    assert problem.path == ("mix", "robst")
    assert problem.on_key
    assert problem.message == "there is no learner 'robst'. Did you mean 'robust'? Known: natural, robust."


def test_two_learners_cannot_both_get_the_rest():
    (problem,) = problems(["a", "b", "c"], mix={"a": 0.5})
    assert problem.path == ("mix",)
    assert problem.message.endswith("without a share: b, c.")


def test_shares_of_all_that_do_not_sum_to_one():
    (problem,) = problems(mix={"robust": 0.5, "natural": 0.4})
    assert problem.path == ("mix",)
    assert "got 0.9 in epoch 1: robust 0.5, natural 0.4" in problem.message


def test_shares_that_leave_less_than_nothing():
    (problem,) = problems(["a", "b", "c"], mix={"a": 0.6, "b": {1: 0.2, 10: 0.8}})
    assert problem.path == ("mix",)
    assert "sum to at most 1, got 1.066666667 in epoch 5" in problem.message  # 0.2 + 0.6 * 4 / 9 is above 0.4


def test_shares_of_all_that_miss_one_between_their_points():
    mix = {"robust": {1: 1.0, 10: 0.0}, "natural": {1: 0.0, 5: 0.0, 10: 1.0}}
    (problem,) = problems(mix=mix)
    assert "in epoch 2" in problem.message


def test_one_learner_must_get_everything():
    (problem,) = problems(["only"], mix={"only": 0.5})
    assert "got 0.5 in epoch 1" in problem.message


def test_schedules_by_batch_are_looked_at_inside_epochs():
    peak = Linear({1.0: 0.0, 1.5: 1.0, 2.0: 0.0}, every_batch=True)
    (problem,) = problems(["a", "b", "c"], mix={"a": peak, "b": 0.5})
    assert "in epoch 2" in problem.message


@dataclass(frozen=True)
class Overshooting(Schedule):
    """Leaves the range that its extremes promise."""

    name = "overshooting"

    def __call__(self, epoch, epochs):
        return 1.5 if epoch == 3 else 0.5

    def extremes(self):
        return (0.5,)


def test_a_share_outside_its_range_is_found_where_it_happens():
    first, second = problems(mix={"robust": Overshooting()})
    assert first.path == ("mix", "robust")
    assert first.message == "expected a share from 0 to 1, got 1.5 in epoch 3."
    assert second.path == ("mix",)


def test_shares_outside_their_range_are_refused_at_once():
    with pytest.raises(ComponentError) as caught:
        Generalist(mix={"robust": {1: 0.5, 3: 1.5}, "natural": -0.1}, decay=1, start_epoch=0)
    assert [problem.path for problem in caught.value.problems] == [
        ("mix", "robust", 3),
        ("mix", "natural"),
        ("decay",),
        ("start_epoch",),
    ]


def test_an_unknown_source_of_batch_norm_statistics():
    (problem,) = problems(mix={"robust": 0.5}, batch_norm="recompte")
    assert problem.path == ("batch_norm",)
    assert "Did you mean 'recompute'?" in problem.message
    assert problems(mix={"robust": 0.5}, batch_norm="natural") == []


def test_a_start_past_the_end():
    (problem,) = problems(mix={"robust": 0.5}, start_epoch=11)
    assert problem.path == ("start_epoch",)
    assert "1 to 10, got 11" in problem.message
    assert problems(mix={"robust": 0.5}, start_epoch=11, redistribute="never") == []
    assert problems(mix={"robust": 0.5}, start_epoch=10) == []


def test_everything_at_once():
    found = problems(mix={"robst": 0.5}, batch_norm="natral", start_epoch=11)
    assert [problem.path for problem in found] == [("mix", "robst"), ("batch_norm",), ("start_epoch",)]
