"""Generalist's merging on two floats, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch
from robustkit_generalist import Generalist
from two_floats import learner, network, train, weights

from robustkit import Clock, LearnerWeights
from robustkit.components.schedule import Linear
from robustkit.errors import InputError


def close(expected):
    return pytest.approx(expected, rel=0, abs=1e-12)


def flat(history):
    return [value for values in history for value in values]


def test_merged_is_a_moving_average_of_the_mix():
    path = [
        {"robust": learner(1, -1), "natural": learner(10, 0)},
        {"robust": learner(2, -2), "natural": learner(20, 0)},
    ]
    path.append({"robust": learner(0, 0), "natural": learner(0, 8)})
    merged = weights(0, 4)
    aggregator = Generalist(mix={"robust": 0.25}, decay=0.5, warm_up=False)
    history = train(aggregator, merged, lambda clock: path[clock.batch - 1], epochs=1, batches=3)
    # mixes: (7.75, -0.25), (15.5, -0.5), (0, 6)
    assert flat(history) == close([3.875, 1.875, 9.6875, 0.6875, 4.84375, 3.34375])


def test_warm_up_forgets_faster_at_first():
    path = {"robust": learner(1, 2), "natural": learner(3, 4)}
    aggregator = Generalist(mix={"robust": 0.5}, decay=0.2)
    history = train(aggregator, weights(0, 0), lambda clock: path, epochs=2, batches=2)
    # d is 1/10, 2/11, then min(0.2, 3/12) and min(0.2, 4/13); the mix is (2, 3)
    kept = [0.1, 0.1 * 2 / 11, 0.1 * 2 / 11 * 0.2, 0.1 * 2 / 11 * 0.2 * 0.2]
    assert flat(history) == close([value * (1 - k) for k in kept for value in (2, 3)])


def test_the_released_decay_is_reached_late():
    # (s + 1) / (s + 10) passes 0.999 at s = 8990, so the 8990th update still forgets faster than 0.999
    before, after = weights(0, 0), weights(0, 0)
    aggregator, path = Generalist(mix={}), {"only": learner(1, 1)}
    aggregator.update(Clock(1, 10_000, 1, 8990), before, path)
    aggregator.update(Clock(1, 10_000, 1, 8992), after, path)
    assert before["w"].tolist() == close([9 / 8999] * 2)
    assert after["w"].tolist() == close([0.001] * 2)


def test_the_released_schedule_of_shares():
    aggregator = Generalist(mix={"robust": {0: 1.0, 80: 1.0, 120: 0.4}}, decay=0)
    path = {"robust": learner(1, 1), "natural": learner(0, 0)}
    shares = {}
    for epoch in (1, 75, 80, 81, 100, 120):
        merged = weights(9, 9)
        aggregator.update(Clock(120, 2, epoch, 1), merged, path)
        shares[epoch] = merged["w"][0].item()
    assert shares == {1: 1.0, 75: 1.0, 80: 1.0, 81: close(0.985), 100: close(0.7), 120: close(0.4)}


def test_a_schedule_by_batch_moves_inside_an_epoch():
    mix = {"robust": Linear({0: 0.0, 1: 1.0}, every_batch=True)}
    path = {"robust": learner(1, 1), "natural": learner(0, 0)}
    history = train(Generalist(mix=mix, decay=0), weights(9, 9), lambda clock: path, epochs=1, batches=4)
    assert [values[0] for values in history] == close([0.25, 0.5, 0.75, 1.0])


def test_three_learners_one_of_them_unnamed():
    path = {"natural": learner(1, 0), "linf": learner(0, 10), "l2": learner(100, 0)}
    merged = weights(0, 0)
    Generalist(mix={"linf": 0.5, "l2": 0.2}, decay=0).update(Clock(1, 1, 1, 1), merged, path)
    assert merged["w"].tolist() == close([0.3 + 20, 5])


def test_shares_of_all_learners_may_be_named():
    path = {"a": learner(1, 0), "b": learner(0, 1), "c": learner(2, 2)}
    merged = weights(0, 0)
    Generalist(mix={"a": 0.1, "b": 0.2, "c": 0.7}, decay=0).update(Clock(1, 1, 1, 1), merged, path)
    assert merged["w"].tolist() == close([1.5, 1.6])


@pytest.mark.parametrize("mix", [{}, {"only": 1.0}], ids=repr)
def test_one_learner_is_taken_whole(mix):
    merged = weights(0, 0)
    Generalist(mix=mix, decay=0).update(Clock(1, 1, 1, 1), merged, {"only": learner(0.1, 0.7)})
    assert torch.equal(merged["w"], learner(0.1, 0.7)["w"])


def test_averages_are_mixed_where_learners_keep_them_and_raw_weights_where_asked():
    path = {"robust": learner(1, 1, average=(5, 5)), "natural": learner(2, 2)}
    found = {}
    for mix_of in ("averages", "weights"):
        merged = weights(0, 0)
        Generalist(mix={"robust": 0.5}, decay=0, mix_of=mix_of).update(Clock(1, 1, 1, 1), merged, path)
        found[mix_of] = merged["w"].tolist()
    assert found == {"averages": [3.5, 3.5], "weights": [1.5, 1.5]}


@pytest.mark.parametrize(
    ("batch_norm", "mean", "var"),
    [("average", 0.75 * 1 + 0.25 * 3, 0.75 * 2 + 0.25 * 6), ("recompute", 7.0, 8.0), ("natural", 3.0, 6.0)],
)
def test_batch_norm_statistics(batch_norm, mean, var):
    path = {"robust": LearnerWeights(network(1, 2, count=5, w=4)), "natural": LearnerWeights(network(3, 6, count=9))}
    merged = network(7, 8, count=0)
    Generalist(mix={"robust": 0.75}, decay=0, batch_norm=batch_norm).update(Clock(1, 1, 1, 1), merged, path)
    assert merged["bn.running_mean"].tolist() == [mean]
    assert merged["bn.running_var"].tolist() == [var]
    assert merged["w"].tolist() == [3.0]
    assert merged["bn.num_batches_tracked"].item() == 5  # of the learner with the largest share


def test_batch_norm_of_a_learner_follows_what_is_mixed_of_it():
    path = {"a": LearnerWeights(network(1, 2, count=1), network(3, 4, count=1))}
    for mix_of, mean in (("averages", 3.0), ("weights", 1.0)):
        merged = network(7, 8, count=0)
        aggregator = Generalist(mix={}, mix_of=mix_of, batch_norm="a")
        aggregator.update(Clock(1, 1, 1, 1), merged, path)
        assert merged["bn.running_mean"].tolist() == [mean]


def test_a_network_without_batch_norm_may_name_a_learner_for_it():
    merged = weights(0, 0)
    Generalist(mix={}, decay=0, batch_norm="only").update(Clock(1, 1, 1, 1), merged, {"only": learner(1, 2)})
    assert merged["w"].tolist() == [1, 2]


def test_a_network_that_is_one_batch_norm_layer():
    merged = {"running_mean": torch.zeros(2), "weight": torch.zeros(2)}
    offered = LearnerWeights({"running_mean": torch.ones(2), "weight": torch.ones(2)})
    Generalist(mix={}, decay=0, batch_norm="recompute").update(Clock(1, 1, 1, 1), merged, {"only": offered})
    assert merged["running_mean"].tolist() == [0, 0]
    assert merged["weight"].tolist() == [1, 1]


def test_gathers_before_it_may_deal_out():
    merged = weights(0, 0)
    aggregator = Generalist(mix={}, decay=0.5, warm_up=False, start_epoch=100)
    aggregator.update(Clock(200, 2, 1, 1), merged, {"only": learner(1, 1)})
    assert merged["w"].tolist() == [0.5, 0.5]


def test_used_by_hand_with_other_learners_it_does_not_guess():
    path = {"robust": learner(1, 1), "natural": learner(2, 2)}
    with pytest.raises(InputError, match="generalist: mix.robst: there is no learner 'robst'. Did you mean 'robust'"):
        Generalist(mix={"robst": 0.5}).update(Clock(1, 1, 1, 1), weights(0, 0), path)
    with pytest.raises(InputError, match="sum to 1, as every learner has one, got 0.75 in epoch 1"):
        Generalist(mix={"robust": 0.5, "natural": 0.25}).update(Clock(1, 1, 1, 1), weights(0, 0), path)
