"""The aggregator suite passes a stranger's sound aggregator, and finds what is wrong with broken ones."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from suite_failures import failures

from robustkit import Aggregator
from robustkit.components.weights import mix_
from robustkit.errors import Problem
from robustkit.testing import AggregatorSuite


@dataclass(frozen=True)
class Median(Aggregator):
    """The coordinate-wise median of the learners' weights."""

    name = "median"

    def update(self, clock, merged, learners):
        for key, tensor in merged.items():
            tensor.copy_(torch.stack([weights[key] for weights in learners.values()]).median(0).values)


class TestMedian(AggregatorSuite):
    aggregator = Median()


def broken(update, **members):
    """A frozen aggregator with this `update` and these members, by the name `broken`."""
    members = {"name": "broken", "update": update, "__doc__": "Broken on purpose.", **members}
    return dataclass(frozen=True)(type("Broken", (Aggregator,), members))()


def first(learners):
    return next(iter(learners.values()))


def test_finds_a_changed_learner():
    def update(self, clock, merged, learners):
        Median().update(clock, merged, learners)
        first(learners)["weight"].mul_(0.99)

    assert "test_never_changes_learners" in failures(AggregatorSuite, broken(update))


def test_finds_a_changed_average_of_a_learner():
    def update(self, clock, merged, learners):
        Median().update(clock, merged, learners)
        for learner in learners.values():
            if learner.average is not None:
                learner.average["bn.running_var"].mul_(1.0001)

    assert "test_never_changes_learners" in failures(AggregatorSuite, broken(update))


def test_finds_averaged_counters():
    def update(self, clock, merged, learners):
        for key, tensor in merged.items():
            mean = torch.stack([weights[key].double() for weights in learners.values()]).mean(0)
            tensor.copy_(mean)

    assert list(failures(AggregatorSuite, broken(update))) == ["test_never_averages_integers"]


def test_finds_tensors_that_are_replaced():
    def update(self, clock, merged, learners):
        for key in merged:
            merged[key] = first(learners)[key].clone()

    found = failures(AggregatorSuite, broken(update))
    assert list(found) == ["test_keeps_names_shapes_and_types"]


def test_finds_weights_that_are_not_a_mean():
    def update(self, clock, merged, learners):
        mix_(merged, [(first(learners), 1.01)])

    assert list(failures(AggregatorSuite, broken(update))) == ["test_equal_weights_stay"]


def test_finds_weights_that_become_infinite():
    def update(self, clock, merged, learners):
        Median().update(clock, merged, learners)
        merged["weight"].div_(0.0)

    assert "no longer finite" in failures(AggregatorSuite, broken(update))["test_keeps_names_shapes_and_types"]


def test_finds_state_outside_the_clock():
    calls = itertools.count()

    def update(self, clock, merged, learners):
        mix_(merged, [(first(learners), 1.0 / (1 + next(calls)))], keep=1.0 - 1.0 / (1 + next(calls)))

    assert "test_keeps_no_state" in failures(AggregatorSuite, broken(update))


def test_finds_chance():
    def update(self, clock, merged, learners):
        share = float(torch.rand(()))
        mix_(merged, [(first(learners), share)], keep=1.0 - share)

    assert list(failures(AggregatorSuite, broken(update))) == ["test_keeps_no_state"]


def test_finds_answers_that_change():
    asked = itertools.count()
    aggregator = broken(Median.update, redistributes=lambda self, clock: next(asked) % 2 == 0)
    assert list(failures(AggregatorSuite, aggregator)) == ["test_answers_by_the_clock"]


def test_finds_answers_that_are_no_truth_values():
    aggregator = broken(Median.update, recomputes_batch_norm=lambda self, clock: None)
    assert list(failures(AggregatorSuite, aggregator)) == ["test_answers_by_the_clock"]


def test_finds_an_aggregator_that_is_never_run():
    def problems_in_run(self, learners, epochs):
        yield Problem(("learner",), "there is no such learner.")

    found = failures(AggregatorSuite, broken(Median.update, problems_in_run=problems_in_run))
    assert list(found) == ["test_accepts_some_learners"]
    assert "set `learners` in the suite:\nlearner: there is no such learner." in found["test_accepts_some_learners"]


def settling(settle, **members):
    """A frozen aggregator that does nothing but settle, after every batch."""
    return broken(lambda *_: None, settles=lambda self, clock: True, settle=settle, **members)


def test_finds_a_learner_changed_while_settling():
    def settle(self, clock, merged, learners, bench):
        first(learners)["weight"].mul_(0.99)
        return {}

    assert "test_never_changes_learners" in failures(AggregatorSuite, settling(settle))


def test_finds_findings_that_json_cannot_give_back():
    for found in ({"shares": (0.5, 0.5)}, {"score": float("nan")}, {"weight": torch.zeros(1)}, {1: 0.5}):
        aggregator = settling(lambda self, clock, merged, learners, bench, found=found: found)
        assert "test_finds_plain_data" in failures(AggregatorSuite, aggregator)
    aggregator = settling(lambda self, clock, merged, learners, bench: {"shares": [0.5, 0.5]})
    assert failures(AggregatorSuite, aggregator) == {}


def test_finds_what_is_kept_between_settlings():
    seen = []

    def settle(self, clock, merged, learners, bench):
        seen.append(clock.step)
        merged["weight"].mul_(1 + 0.01 * len(seen))
        return {}

    assert "test_keeps_no_state" in failures(AggregatorSuite, settling(settle))


def test_what_is_found_may_be_relied_on():
    def settle(self, clock, merged, learners, bench):
        count = bench.found.get("count", 0) + 1
        mix_(merged, [(first(learners), 1 / count)], keep=1 - 1 / count)
        return {"count": count, "score": bench.measure(merged)["natural"]}

    assert failures(AggregatorSuite, settling(settle)) == {}


def test_finds_an_unknown_need():
    aggregator = settling(lambda *_: {}, needs=property(lambda self: frozenset({"test examples"})))
    assert "test examples" in failures(AggregatorSuite, aggregator)["test_answers_by_the_clock"]
