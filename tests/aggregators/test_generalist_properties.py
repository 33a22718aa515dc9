"""What holds of Generalist's merging whatever the numbers."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from robustkit_generalist import Generalist
from two_floats import learner, weights

from robustkit import Clock

numbers = st.floats(-1e3, 1e3)
pairs = st.tuples(numbers, numbers)
decays = st.floats(0, 0.9999)
clocks = st.builds(lambda epoch, batch: Clock(50, 10, epoch, batch), st.integers(1, 50), st.integers(1, 10))


@st.composite
def mixes(draw, count):
    """Shares of `count` learners that sum to 1, the last of them left to be the remainder."""
    cuts = sorted(draw(st.lists(st.floats(0, 1), min_size=count - 1, max_size=count - 1)))
    return {f"learner-{i}": high - low for i, (low, high) in enumerate(zip([0.0, *cuts], cuts, strict=False))}


@given(st.data(), st.integers(1, 4), decays, st.booleans(), clocks)
def test_merged_stays_inside_the_hull(data, count, decay, warm_up, clock):
    learners = {f"learner-{i}": learner(*data.draw(pairs)) for i in range(count)}
    merged = weights(*data.draw(pairs))
    corners = torch.stack([merged["w"].clone(), *(offered["w"] for offered in learners.values())])
    Generalist(mix=data.draw(mixes(count)), decay=decay, warm_up=warm_up).update(clock, merged, learners)
    assert (merged["w"] >= corners.amin(0) - 1e-9).all()
    assert (merged["w"] <= corners.amax(0) + 1e-9).all()


@given(st.data(), st.integers(2, 4), decays, clocks)
def test_the_order_of_learners_does_not_matter(data, count, decay, clock):
    learners = {f"learner-{i}": learner(*data.draw(pairs)) for i in range(count)}
    shuffled = dict(data.draw(st.permutations(list(learners.items()))))
    aggregator = Generalist(mix=data.draw(mixes(count)), decay=decay)
    one, other = weights(1, 2), weights(1, 2)
    aggregator.update(clock, one, learners)
    aggregator.update(clock, other, shuffled)
    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-9)


@given(pairs, st.sampled_from(["robust", "natural"]), clocks)
def test_a_share_of_one_copies_bit_by_bit(values, chosen, clock):
    learners = {"robust": learner(math.nan, math.inf), "natural": learner(math.nan, -math.inf)}
    learners[chosen] = learner(*values)
    merged = weights(math.pi, math.e)
    Generalist(mix={"robust": float(chosen == "robust")}, decay=0).update(clock, merged, learners)
    assert torch.equal(merged["w"], weights(*values)["w"])


@given(pairs, decays, clocks)
def test_a_share_of_zero_takes_no_part(values, decay, clock):
    healthy, sick, alone = learner(*values), learner(math.nan, math.inf), weights(1, 2)
    merged = weights(1, 2)
    Generalist(mix={"sick": 0.0}, decay=decay).update(clock, merged, {"sick": sick, "healthy": healthy})
    Generalist(mix={}, decay=decay).update(clock, alone, {"healthy": healthy})
    assert torch.equal(merged["w"], alone["w"])


@given(st.floats(-1e-10, 1e-10))
def test_float_noise_leaves_no_crumbs(noise):
    # shares that miss 1 by rounding leave nothing, not a tiny share of a sick learner
    learners = {"a": learner(1, 1), "b": learner(1, 1), "rest": learner(math.nan, math.nan)}
    merged = weights(0, 0)
    Generalist(mix={"a": 0.3, "b": 0.7 + noise}, decay=0).update(Clock(1, 1, 1, 1), merged, learners)
    torch.testing.assert_close(merged, weights(1, 1), rtol=0, atol=2e-10)
