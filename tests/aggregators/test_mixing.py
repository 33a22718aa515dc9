"""Moving averages, medians, soups, found mixes, task arithmetic and Fisher merging on two floats, followed by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from robustkit_attacks import FGSM
from robustkit_averaging import (
    EMA,
    CoordinateMedian,
    Fisher,
    LearnedMix,
    Redistribute,
    Soup,
    TaskArithmetic,
)
from robustkit_averaging.fisher import fisher_information, weighted_mean_
from robustkit_averaging.learned import nearest_to_their_middle, simplex
from robustkit_generalist import Generalist
from torch import nn
from two_floats import learner, moments, network, train, weights

from robustkit import Bench, Clock, LearnerWeights

END = Clock(epochs=4, batches=2, epoch=2, batch=2)
FGSM_1 = FGSM(eps=0.1)


class Scripted(Bench):
    """Measures by a function of the first float; `asked` are the floats it was asked about."""

    def __init__(self, judge, found=None, initial=None):
        self.judge, self.found, self.asked, self._initial = judge, found or {}, [], initial

    @property
    def initial(self):
        return self._initial

    @property
    def validation(self):
        raise AssertionError("no images are needed")

    def measure(self, weights, attacks=None, *, recompute_batch_norm=False):
        self.asked.append(round(float(weights["w"][0]), 9))
        natural, robust = self.judge(self.asked[-1])
        return {"natural": natural, **dict.fromkeys(attacks or {}, robust)}

    def network(self, weights):
        raise AssertionError("no network is needed")


def settled(aggregator, learners, judge, clock=END, found=None):
    """What the first merged float becomes, what was found, and what was tried."""
    merged, bench = weights(9.0), Scripted(judge, found)
    aggregator.update(clock, merged, learners)
    return aggregator.settle(clock, merged, learners, bench), merged["w"].item(), bench.asked


def test_ema_follows_the_mean_and_then_averages_with_a_warm_up():
    path = {"a": [1.0, 2.0, 4.0, 8.0], "b": [3.0, 2.0, 0.0, 0.0]}
    history = train(
        EMA(decay=0.15, start_epoch=2),
        weights(9.0),
        lambda clock: {name: learner(values[clock.step - 1]) for name, values in path.items()},
        epochs=2,
        batches=2,
    )
    third = 0.1 * 2 + 0.9 * 2  # s = 1: min(0.15, 1/10)
    assert [value for (value,) in history] == pytest.approx([2, 2, third, 0.15 * third + 0.85 * 4], abs=1e-12)


@pytest.mark.parametrize(("values", "expected"), [([5], 5), ([1, 9], 5), ([9, 1, 2], 2), ([4, 1, 100, 2], 3)])
def test_the_median_is_the_middle_or_the_middle_twos_mean(values, expected):
    merged = weights(0.0)
    CoordinateMedian().update(END, merged, {str(value): learner(float(value)) for value in values})
    assert merged["w"].item() == expected


def test_one_bad_learner_moves_a_median_but_not_far():
    values = {"a": learner(1.0), "b": learner(1.1), "bad": learner(1e9)}
    merged = weights(0.0)
    CoordinateMedian().update(END, merged, values)
    assert merged["w"].item() == 1.1


@pytest.mark.parametrize("aggregator", [CoordinateMedian(), Soup(choice="uniform"), LearnedMix(attack=FGSM_1)])
def test_within_an_epoch_nothing_is_merged(aggregator):
    merged = weights(7.0)
    aggregator.update(Clock(4, 2, 1, 1), merged, {"a": learner(1.0), "b": learner(2.0)})
    assert merged["w"].item() == 7.0
    assert not aggregator.settles(Clock(4, 2, 1, 1))


def test_statistics_are_left_to_the_engine_or_mixed():
    ends = {"a": LearnerWeights(network(1.0, 2.0, 5, w=1.0)), "b": LearnerWeights(network(3.0, 4.0, 7, w=3.0))}
    for kind, expected in (("recompute", [2.0, 0.5, 0.5, 5]), ("average", [2.0, 2.0, 3.0, 5])):
        for aggregator in (Soup(choice="uniform", batch_norm=kind), CoordinateMedian(batch_norm=kind)):
            merged = network(0.5, 0.5, 0)
            aggregator.update(END, merged, ends)
            assert [tensor.item() for tensor in merged.values()] == expected
            assert aggregator.recomputes_batch_norm(END) == (kind == "recompute")


ENDS = {"low": learner(0.0), "high": learner(1.0), "far": learner(5.0)}


def test_a_greedy_soup_takes_who_does_not_make_it_worse_the_best_first():
    """Scores: high 0.8, low 0.7, far 0.2; high with low 0.8, which is no worse; all three 0.5."""
    scores = {1.0: 0.8, 0.0: 0.7, 5.0: 0.2, 0.5: 0.8, 2.0: 0.5}
    found, merged, asked = settled(Soup(), ENDS, lambda w: (scores[w], None))
    assert asked == [0.0, 1.0, 5.0, 0.5, 2.0]
    assert merged == 0.5
    assert found == {
        "chosen_in_epoch": 2,
        "shares": {"low": 0.5, "high": 0.5, "far": 0.0},
        "natural": 0.8,
        "score": 0.8,
    }


def test_a_greedy_soup_weighs_robust_accuracy():
    """By natural accuracy 0 is best; robust accuracy counts three times as much, and 5 has it all."""
    soup = Soup(attack=FGSM_1, robust_weight=0.75)
    found, merged, _ = settled(soup, ENDS, lambda w: (1.0, 0.0) if w == 0 else (0.4, 0.8 if w == 5 else 0.0))
    assert found["shares"] == {"low": 0.0, "high": 0.0, "far": 1.0}
    assert found["score"] == pytest.approx(0.25 * 0.4 + 0.75 * 0.8)
    assert merged == 5.0


def test_between_choices_a_soup_keeps_to_the_last():
    before = {"chosen_in_epoch": 1, "shares": {"low": 0.0, "high": 1.0, "far": 0.0}, "score": 0.9}
    clock = Clock(epochs=4, batches=2, epoch=3, batch=2)
    found, merged, asked = settled(Soup(every_epochs=2), ENDS, None, clock, before)
    assert (found, merged, asked) == (before, 1.0, [])


PAIR = {"natural": learner(0.0), "robust": learner(1.0)}


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 0.0), (0.25, 0.25), (0.5, 0.5), (0.75, 0.75), (1.0, 1.0)])
def test_one_number_says_how_much_robust_accuracy_counts(weight, expected):
    """Natural accuracy 1 - w^2 and robust accuracy 2w - w^2: their weighed sum is highest where w is the weight."""
    mix = LearnedMix(attack=FGSM_1, robust_weight=weight, grid=9)
    found, merged, asked = settled(mix, PAIR, lambda w: (1 - w * w, 2 * w - w * w))
    assert merged == expected
    assert found["shares"] == {"natural": 1 - expected, "robust": expected}
    assert found["natural"] == pytest.approx(1 - expected**2)
    assert asked == [point / 8 for point in range(9)][:: 1 if asked[0] == 0 else -1]


def test_of_equally_good_mixes_it_is_the_one_in_the_middle():
    found, merged, _ = settled(LearnedMix(attack=FGSM_1), PAIR, lambda w: (0.9 if 0.2 < w < 0.8 else 0.1, 0.5))
    assert merged == pytest.approx(0.5)
    assert found["score"] == pytest.approx(0.7)


def test_equal_sums_of_unequal_parts_are_equal():
    """0.1 + 0.2 against 0.3 in floats: the same score, so the middle is taken and not the last bit's winner."""
    figures = {0.0: (0.6, 0.0), 0.5: (0.2, 0.4), 1.0: (0.4, 0.2)}
    _, merged, _ = settled(LearnedMix(attack=FGSM_1, grid=3), PAIR, lambda w: figures[w])
    assert merged == 0.5


def test_between_searches_the_shares_stay_and_before_the_first_they_are_equal():
    mix = LearnedMix(attack=FGSM_1, every_epochs=2, start_epoch=2)
    before = {"found_in_epoch": 2, "shares": {"natural": 0.3, "robust": 0.7}}
    found, merged, asked = settled(mix, PAIR, None, Clock(9, 2, 3, 2), before)
    assert (found, merged, asked) == (before, pytest.approx(0.7), [])
    merged = weights(9.0)
    mix.update(Clock(9, 2, 1, 2), merged, PAIR)
    assert merged["w"].item() == 0.5
    assert not mix.settles(Clock(9, 2, 1, 2))


@given(st.integers(1, 4), st.integers(1, 8))
def test_the_grid_is_every_way_to_share_once(parts, total):
    points = list(simplex(parts, total))
    assert len(points) == len(set(points)) == math.comb(total + parts - 1, parts - 1)
    assert all(sum(point) == total and min(point) >= 0 for point in points)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=12))
def test_nearest_to_the_middle_in_exact_fractions(points):
    middle = [Fraction(sum(column), len(points)) for column in zip(*points, strict=True)]
    distances = [sum((part - goal) ** 2 for part, goal in zip(point, middle, strict=True)) for point in points]
    assert nearest_to_their_middle(points) == distances.index(min(distances))


def test_task_arithmetic_adds_scaled_ways_to_the_start():
    start = network(10.0, 10.0, 0, w=1.0)
    ends = {"a": LearnerWeights(network(1.0, 2.0, 5, w=3.0)), "b": LearnerWeights(network(3.0, 4.0, 7, w=0.0))}
    merged = network(0.5, 0.5, 1, w=99.0)
    aggregator = TaskArithmetic(scale={"a": 0.5, "b": -2.0}, batch_norm="average")
    aggregator.settle(END, merged, ends, Scripted(None, initial=start))
    assert [tensor.item() for tensor in merged.values()] == [1 + 0.5 * 2 - 2 * -1, 2.0, 3.0, 5]
    assert start["w"].item() == 1.0


def test_task_arithmetic_of_a_network_without_batch_norm():
    merged = weights(9.0)
    aggregator = TaskArithmetic(scale=1.0, batch_norm="average")
    aggregator.settle(END, merged, {"a": learner(2.0), "b": learner(4.0)}, Scripted(None, initial=weights(1.0)))
    assert merged["w"].item() == 5.0


def test_task_arithmetic_names_each_learner_once():
    problems = list(TaskArithmetic(scale={"natural": 0.5, "robst": 0.5}).problems_in_run(["natural", "robust"], 3))
    assert [problem.path for problem in problems] == [("scale", "robst"), ("scale",)]
    assert "Did you mean 'robust'?" in problems[0].message
    assert problems[1].message.endswith("without one: robust.")


def test_fisher_information_of_a_linear_model_is_the_closed_form():
    """Logits W x: the slope of log p_k is (e_k - p) x, so the diagonal is x_j^2 p_i (1 - p_i), averaged over images."""
    torch.manual_seed(0)
    layer = nn.Linear(4, 3, bias=False, dtype=torch.float64)
    model, images = nn.Sequential(nn.Flatten(), layer), torch.rand(5, 1, 2, 2, dtype=torch.float64)
    found = fisher_information(model, {"1.weight": layer.weight}, images)["1.weight"]
    flat = images.flatten(1)
    p = (flat @ layer.weight.T).softmax(1).detach()
    expected = torch.einsum("ni,nj->ij", p * (1 - p), flat**2) / 5
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_weights_without_information_keep_the_plain_mean():
    merged = torch.tensor([2.0, 2.0, 2.0])
    tensors = [torch.tensor([1.0, 1.0, 1.0]), torch.tensor([3.0, 3.0, 3.0])]
    information = [torch.tensor(values, dtype=torch.float64) for values in ([3.0, 0.0, 1e-300], [1.0, 0.0, 0.0])]
    weighted_mean_(merged, tensors, information)
    assert merged.tolist() == [1.5, 2.0, 1.0]


def test_fisher_names_learners_that_exist():
    fisher = Fisher(attacks={"robst": FGSM_1}, importance={"natral": 2.0})
    problems = list(fisher.problems_in_run(["natural", "robust"], 3))
    assert [problem.path for problem in problems] == [("attacks", "robst"), ("importance", "natral")]


def test_redistribute_deals_out_at_the_ends_of_its_epochs_and_asks_the_inner_one_for_the_rest():
    dealt = Redistribute(merge=Soup(), start_epoch=3, every_epochs=2, optimizer_state="reset")
    told = [(clock.epoch, clock.batch) for clock in moments(8, 2) if dealt.redistributes(clock)]
    assert told == [(4, 2), (6, 2), (8, 2)]
    assert dealt.resets_optimizers
    assert dealt.needs == Soup().needs == {"validation examples"}
    assert all(dealt.settles(clock) == Soup().settles(clock) for clock in moments(3, 2))


def test_redistribute_refuses_who_deals_out_already_and_passes_problems_on():
    (problem,) = Redistribute(merge=Generalist(mix={"a": 0.5})).problems_in_run(["a", "b"], 10)
    assert problem.path == ("merge",)
    assert "'generalist' deals out by itself" in problem.message
    paths = [p.path for p in Redistribute(merge=EMA(start_epoch=99), start_epoch=12).problems_in_run(["a"], 10)]
    assert paths == [("start_epoch",), ("merge", "start_epoch")]
