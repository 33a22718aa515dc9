"""Streams: against SplitMix64 in plain integers, against their laws, and as nobody's batch can change them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from robustkit import Streams, example_streams, using_streams
from robustkit.attacking.streams import _hashed, _hashed_in_torch, streams_from
from robustkit.errors import AttackError

DTYPES = [torch.float32, torch.float64]
DRAWS = {
    "uniform": lambda streams: streams.uniform(3, 5),
    "uniform in float64": lambda streams: streams.uniform(3, 5, dtype=torch.float64),
    "one number": lambda streams: streams.uniform(),
    "normal": lambda streams: streams.normal_like(torch.empty(len(streams), 3, 5)),
    "normal in float64": lambda streams: streams.normal_like(torch.empty(len(streams), 7, dtype=torch.float64)),
    "integers": lambda streams: streams.integers(1000, 4),
}


def many(count=50_000, seed=0):
    return streams_from(seed, torch.arange(count))


def fits(sample, law):
    """Kolmogorov and Smirnov: a sample of the law would look worse than this one once in ten thousand times."""
    return stats.kstest(sample.double().flatten().numpy(), law).pvalue > 1e-4


def splitmix64(state, count):
    """Steele, Lea, Flood (OOPSLA 2014), in Python's own integers; with 0 as state it begins with 0xE220A8397B1DCDAF."""
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        word = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB % 2**64
        yield word ^ (word >> 31)


def test_the_reference_is_splitmix64():
    assert list(splitmix64(0, 3)) == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4), st.integers(0, 3))
def test_every_number_is_one_that_splitmix64_gives(seeds, before):
    streams = Streams(torch.tensor(seeds), before)
    expected = []
    for seed in seeds:
        draw = (seed + (before + 1) * 0x632BE59BD9B4E019 - 0x9E3779B97F4A7C15) % 2**64
        expected.append([word / 2**64 for word in splitmix64(next(splitmix64(draw, 1)), 5)])
    found = streams.uniform(5, dtype=torch.float64)
    assert (found <= torch.tensor(expected, dtype=torch.float64)).all()
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=2.0**-52)
    # In float32 two numbers are made of a word: the lower half first.
    singles = Streams(torch.tensor(seeds), before).uniform(10)
    assert torch.equal(singles[:, 1::2], (found * 2**24).floor().float() * 2.0**-24)


@pytest.mark.parametrize("dtype", DTYPES)
def test_uniform_numbers_are_uniform(dtype):
    streams = many()
    for numbers in (
        streams.uniform(dtype=dtype),
        streams.uniform(4, dtype=dtype),
        many(2).uniform(50_001, dtype=dtype),
    ):
        assert numbers.dtype == dtype
        assert numbers.min() >= 0
        assert numbers.max() < 1
        assert fits(numbers, "uniform")
    fine = numbers.double() * 2 ** {torch.float32: 24, torch.float64: 53}[dtype]
    assert torch.equal(fine, fine.floor())
    last = fine.long() % 2
    assert last.double().mean() == pytest.approx(0.5, abs=0.01), "the last bit is drawn as the others are"


@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_numbers_are_normal(dtype):
    drawn = many(20_000).normal_like(torch.empty(20_000, 10, dtype=dtype))
    assert drawn.dtype == dtype
    assert drawn.shape == (20_000, 10)
    assert drawn.isfinite().all()
    assert fits(drawn, "norm")
    assert (drawn.abs() > 3.3).double().mean() == pytest.approx(2 * stats.norm.sf(3.3), rel=0.3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_rarest_normals_are_finite_and_opposite(dtype, monkeypatch):
    bits = {torch.float32: 23, torch.float64: 52}[dtype]
    monkeypatch.setattr(Streams, "_whole", lambda *_: torch.tensor([[0], [2**bits - 1], [2 ** (bits - 1)]]))
    low, high, middle = many(3).normal_like(torch.empty(3, 1, dtype=dtype)).flatten().tolist()
    assert low == -high
    assert high == pytest.approx(stats.norm.isf(2.0 ** -(bits + 1)), rel=1e-3)
    assert 0 < middle < 2 * 2.0**-bits * math.sqrt(math.pi / 2) * 1.01


@pytest.mark.parametrize("high", [1, 2, 3, 10, 1000, 2**40])
def test_integers_are_in_range_and_equally_frequent(high):
    drawn = many().integers(high, 2)
    assert drawn.dtype == torch.int64
    assert drawn.shape == (50_000, 2)
    assert drawn.min() >= 0
    assert drawn.max() < high
    if high == 1:
        return
    cells = min(high, 1000)
    counts = torch.bincount((drawn.flatten().double() * cells / high).long(), minlength=cells)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4


def test_integers_below_1_are_refused():
    with pytest.raises(AttackError, match="whole numbers below 0: expected at least 1"):
        many(3).integers(0)


def correlation(one, other):
    return torch.corrcoef(torch.stack([one.flatten().double(), other.flatten().double()]))[0, 1].abs()


NEIGHBOURS = {
    "examples": lambda: (many().uniform(8)[:-1], many().uniform(8)[1:]),
    "draws": lambda: [streams.uniform(8) for streams in [many()] * 2],
    "places": lambda: (many().uniform(9)[:, :-1], many().uniform(9)[:, 1:]),
    "seeds": lambda: (many(seed=6).uniform(8), many(seed=7).uniform(8)),
    "a seed and a negative one": lambda: (many(seed=6).uniform(8), many(seed=-6).uniform(8)),
    "branches": lambda: [streams.branch().uniform(8) for streams in [many()] * 2],
    "a branch and its origin": lambda: [(streams.branch().uniform(8), streams.uniform(8)) for streams in [many()]][0],
    "the example's number and the seed": lambda: (many().uniform(8)[1:], many(seed=1).uniform(8)[:-1]),
    "the halves of a word": lambda: (many().uniform(8)[:, ::2], many().uniform(8)[:, 1::2]),
}


@pytest.mark.parametrize("kind", NEIGHBOURS)
def test_neighbours_know_nothing_of_each_other(kind):
    one, other = NEIGHBOURS[kind]()
    assert not (one == other).all(dim=1).any()
    assert correlation(one, other) < 4.5 / math.sqrt(one.numel())
    assert correlation((one - 0.5).abs(), (other - 0.5).abs()) < 4.5 / math.sqrt(one.numel())
    # What is left of the sum, modulo 1, is uniform if either is, and only then if they are independent.
    assert fits((one.double() + other.double()) % 1, "uniform")


def test_no_two_streams_begin_alike():
    starts = torch.cat([many(20_000, seed).uniform(dtype=torch.float64) for seed in (0, 1, 2, 2**62 - 1)])
    assert len(starts.unique()) == len(starts)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("size", [1, 7, 100])
def test_batches_of_any_size_draw_the_same(draw, size):
    whole, parts = many(100), [streams_from(0, indices) for indices in torch.arange(100).split(size)]
    for _ in range(3):
        assert torch.equal(torch.cat([draw(part) for part in parts]), draw(whole))


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_so_do_batches_in_any_order(draw):
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw(streams_from(3, order)), draw(streams_from(3, torch.arange(100)))[order])


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("chosen", [torch.arange(20) % 3 == 0, torch.tensor([4, 2, 2, 19])], ids=["mask", "indices"])
def test_some_of_a_batch_go_on_where_they_stood(draw, chosen):
    streams, alone = many(20), many(20)
    assert torch.equal(draw(streams), draw(alone))
    some = streams[chosen]
    assert len(some) == len(many(20).seeds[chosen])
    second, third = draw(alone), draw(alone)
    assert torch.equal(draw(some), second[chosen])
    assert torch.equal(draw(some), third[chosen])
    assert torch.equal(draw(streams), second), "only those that were chosen have moved"


def test_how_much_a_branch_draws_moves_nobody_else():
    streams, lazy = many(20), many(20)
    for draws in range(3):
        branch = streams.branch()
        for _ in range(draws):
            branch.uniform(5)
        lazy.branch()
        assert torch.equal(streams.uniform(3), lazy.uniform(3))


@pytest.mark.parametrize("like", ["uniform_like", "normal_like"])
def test_images_for_other_streams_are_refused(like):
    with pytest.raises(AttackError, match=r"expected images for 4 random streams, got 3: choose streams, too"):
        getattr(many(4), like)(torch.empty(3, 2))


def test_an_attack_that_hands_on_some_images_must_hand_on_their_streams():
    images, streams = torch.rand(4, 2), many(4)
    with using_streams(streams):
        with pytest.raises(AttackError, match=r"expected the 4 images whose attack began, got 3.*using_streams"):
            example_streams(images[:3])
        with using_streams(streams[torch.arange(3)]):
            part = example_streams(images[:3]).uniform()
        assert torch.equal(example_streams(images).uniform()[:3], part)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_torchs_generator_is_neither_read_nor_moved(draw):
    with torch.random.fork_rng(devices=[]):
        drawn = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            state = torch.get_rng_state()
            drawn.append(draw(many(9)))
            assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(*drawn)


def test_outside_perturb_torchs_generator_gives_the_seeds():
    images = torch.rand(5, 2)
    with torch.random.fork_rng(devices=[]):
        first, again, other = (
            (torch.manual_seed(seed), example_streams(images).uniform_like(images))[1] for seed in (1, 1, 2)
        )
    assert torch.equal(first, again)
    assert not (first == other).any()
    assert len(first.unique()) == first.numel()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_other_devices_hash_as_the_cpu_does(words):
    expected = _hashed(torch.tensor(words, dtype=torch.int64))
    assert _hashed_in_torch(torch.tensor(words, dtype=torch.int64)).tolist() == expected.tolist()
