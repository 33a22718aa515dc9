"""Two networks on the same examples: McNemar's test against its definition, pairing by image, and verdicts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustkit.errors import InputError
from robustkit.evaluation.outcome import Outcome, Record
from robustkit.evaluation.paired import Pair, mcnemar, paired


def outcome(prediction):
    blank = Outcome.blank(len(prediction))
    blank.prediction[:] = torch.tensor(prediction)
    return blank


def record(names, clean, **attacks):
    """All labels are 0, so a prediction of 0 is right and 1 is wrong; -1: not attacked."""
    outcomes = {"natural": outcome(clean), **{name: outcome(found) for name, found in attacks.items()}}
    size = len(names)
    return Record(
        torch.tensor(names), torch.zeros(size, dtype=torch.int64), outcomes, outcome(clean), torch.full((size,), -1)
    )


def test_mcnemar_by_hand():
    # 1 against 7 flips: 2 * (C(8,0) + C(8,1)) / 2^8 = 18 / 256
    assert mcnemar(1, 7) == mcnemar(7, 1) == 18 / 256
    assert mcnemar(0, 0) == mcnemar(5, 5) == mcnemar(4, 5) == 1.0
    assert mcnemar(0, 10) == 2 / 1024


@given(st.integers(0, 4000), st.integers(0, 4000))
def test_mcnemar_agrees_with_scipy(first, second):
    from scipy.stats import binomtest

    expected = binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_examples_are_paired_by_their_image_whatever_their_order():
    one = record([10, 11, 12, 13], [0, 0, 0, 1], pgd=[0, 1, 0, -1])
    other = record([13, 12, 99, 10], [0, 0, 0, 0], pgd=[0, 1, 1, 0])
    natural, pgd = paired(one, other)
    assert (natural.part, natural.examples, natural.first, natural.second) == ("natural", 3, 2, 3)
    assert (natural.only_first.tolist(), natural.only_second.tolist()) == ([], [3])
    assert (pgd.first, pgd.second, pgd.only_first.tolist(), pgd.only_second.tolist()) == (2, 2, [2], [3])
    assert pgd.points == 0
    assert pgd.verdict == "within noise"


def test_the_worst_case_is_over_all_attacks_of_each():
    one = record([1, 2, 3], [0, 0, 0], a=[0, 1, 0], b=[0, 0, 1])
    other = record([1, 2, 3], [0, 0, 0], a=[0, 0, 0], c=[0, 0, 0])
    assert [(found.part, found.first, found.second) for found in paired(one, other)] == [
        ("natural", 3, 3),
        ("a", 2, 3),
        ("worst-case", 1, 3),
    ]


def test_more_than_noise():
    one, other = record(list(range(10)), [0] * 10), record(list(range(10)), [1] * 9 + [0])
    (found,) = paired(one, other)
    assert found.p_value == 2 / 2**9
    assert found.verdict == "the first is better"
    assert found.points == -90
    assert found.interval[0] == pytest.approx(-90 - 100 * 1.959963984540054 * (0.9 * 0.1 / 10) ** 0.5)


def test_flips_say_what_each_network_makes_of_the_example():
    pair = Pair(record([5, 6], [0, 1], pgd=[2, -1]), record([6, 5], [0, 0], pgd=[0, 0]))
    assert pair.flips()[1] == [
        ["natural", "1", "second", "0", "1", "0"],
        ["pgd", "0", "second", "0", "2", "0"],
        ["pgd", "1", "second", "0", "1", "0"],
    ]


def test_nothing_in_common():
    with pytest.raises(InputError, match="measured on different examples"):
        paired(record([1], [0]), record([2], [0]))
