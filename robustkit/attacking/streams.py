"""Private random numbers for attacks: one stream an example, whatever batch the example is in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import numpy
import torch
from torch import Tensor

from robustkit.errors import AttackError


class Streams:
    """Random numbers for a batch of examples, each from a stream of its own.

    What an example draws depends on its seed and on how often was drawn before, never on the other examples: not on the
    batch's size or order, nor on who has left it. Numbers are made by counting, for the whole batch at once and on the
    seeds' device, without waiting for it: number i of draw d is output i of SplitMix64 (Steele, Lea, Flood: Fast
    Splittable Pseudorandom Number Generators, OOPSLA 2014, section 4) from a state that is hashed from seed and d. They
    are the same on every device; normals may differ by a rounding error.

    Args:
        seeds: (N,), int64, one an example, anywhere in int64.
        draws: how often was drawn before.
    """

    def __init__(self, seeds: Tensor, draws: int = 0) -> None:
        self.seeds, self.draws = seeds, draws

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.seeds)

    def __getitem__(self, chosen: Tensor) -> Streams:
        """The streams of some of the examples (a mask or indices), each where it stands; drawing moves only these.

        Who goes on with a part of the batch therefore keeps that part (`streams = streams[standing]`), or begins
        from a new branch each time: two choices from streams that did not move draw the same numbers.
        """
        return Streams(self.seeds[chosen], self.draws)

    def branch(self) -> Streams:
        """New streams for the same examples; however often is drawn from them, these here have moved by one draw."""
        return Streams(self._words(1)[:, 0])

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Numbers (N, *shape) of float32 or float64, uniform in [0, 1): all multiples of 2^-24 or 2^-53 alike."""
        bits = _bits(dtype)
        return self._whole(bits, shape).to(dtype).mul_(math.ldexp(1.0, -bits))

    def uniform_like(self, images: Tensor) -> Tensor:
        """Numbers of the images' shape and type, uniform in [0, 1).

        Raises:
            AttackError: the images are not as many as the streams.
        """
        self._check(images)
        return self.uniform(*images.shape[1:], dtype=images.dtype)

    def normal_like(self, images: Tensor) -> Tensor:
        """Numbers of the images' shape and type with a standard normal distribution.

        The inverse of its distribution function, at numbers that lie evenly in (0, 1): symmetric, and never infinite
        (5.3 standard deviations at most in float32, 8.1 in float64).

        Raises:
            AttackError: the images are not as many as the streams.
        """
        self._check(images)
        bits = _bits(images.dtype) - 1
        # Odd multiples of 2^-bits between -1 and 1, which floats hold exactly.
        odd = self._whole(bits, images.shape[1:]).mul_(2).add_(1 - 2**bits).to(images.dtype)
        return odd.mul_(math.ldexp(1.0, -bits)).erfinv_().mul_(math.sqrt(2))

    def integers(self, high: int, *shape: int) -> Tensor:
        """Whole numbers (N, *shape), int64, uniform in 0 to high - 1 (their bias is below high / 2^63).

        Raises:
            AttackError: high is below 1: there is no such number.
        """
        if high < 1:
            raise AttackError(f"random whole numbers below {high}: expected at least 1.")
        return self._whole(63, shape).remainder_(high)

    def _check(self, images: Tensor) -> None:
        if len(images) != len(self):
            raise AttackError(
                f"expected images for {len(self)} random streams, got {len(images)}: choose streams, too."
            )

    def _whole(self, bits: int, shape: tuple[int, ...]) -> Tensor:
        """Numbers (N, *shape) below 2^bits; two are made of one word where both fit."""
        count = math.prod(shape)
        if bits <= 32:
            words, width = self._words((count + 1) // 2).view(torch.int32)[:, :count], 32
        else:
            words, width = self._words(count), 64
        words = words.bitwise_right_shift_(width - bits).bitwise_and_((1 << bits) - 1)
        return words.reshape(len(self), *shape)

    def _words(self, count: int) -> Tensor:
        """Words (N, count) of 64 bits, as int64: the next draw."""
        # The draw's own state is hashed before positions are counted, so that no two draws can run into each other.
        states = _hashed(self.seeds + _int64((self.draws + 1) * _DRAW))
        self.draws += 1
        return _hashed(states.unsqueeze(1) + _places(count, self.seeds.device))


_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_DRAW = 0x632BE59BD9B4E019
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
_UNSIGNED = tuple((numpy.uint64(bits), numpy.uint64(factor)) for bits, factor in _ROUNDS)


@lru_cache(maxsize=4)
def _places(count: int, device: torch.device) -> Tensor:
    return torch.arange(1, count + 1, device=device) * _GOLDEN


def _hashed(words: Tensor) -> Tensor:
    """SplitMix64's finalizer (Stafford's variant 13), in place; products wrap, as int64's do."""
    if words.device.type != "cpu":
        return _hashed_in_torch(words)
    unsigned = words.numpy().view(numpy.uint64)  # for one batch's few words, torch takes four times as long
    for shift, factor in _UNSIGNED:
        unsigned ^= unsigned >> shift
        unsigned *= factor
    return words


def _hashed_in_torch(words: Tensor) -> Tensor:
    shifted = torch.empty_like(words)
    for bits, factor in _ROUNDS:
        torch.bitwise_right_shift(words, bits, out=shifted)
        # int64 shifts in copies of the sign; zeros are wanted.
        words.bitwise_xor_(shifted.bitwise_and_((1 << (64 - bits)) - 1)).mul_(_int64(factor))
    return words


def _int64(number: int) -> int:
    """The number as it is in int64, where too large ones wrap."""
    return (number + 2**63) % 2**64 - 2**63


def _bits(dtype: torch.dtype) -> int:
    """How fine numbers in [0, 1) can be that all lie equally far apart."""
    return 53 if dtype == torch.float64 else 24


def streams_from(seed: int, examples: Tensor) -> Streams:
    """Streams for the examples with these numbers (N,), int64: equal seeds and numbers give equal streams."""
    seed = _int64(seed)
    return Streams(_hashed(_hashed(examples * _GOLDEN + seed) + seed))


_current: ContextVar[Streams | None] = ContextVar("example_streams", default=None)


def example_streams(images: Tensor) -> Streams:
    """The private random streams of the images being attacked, in their order: what an attack draws from.

    Each call gives new ones. How often an attack draws from them changes nothing for whoever calls next, so an attack
    may stop early and the next one for the same images still draws the same. Outside `perturb`, where nobody gave
    seeds, they are drawn from torch's global generator.

    Raises:
        AttackError: the attack was handed some of a batch without `using_streams` for that part's streams.
    """
    streams = _current.get()
    if streams is None:
        return Streams(torch.randint(2**62, (len(images),)).to(images.device))
    if len(streams) != len(images):
        raise AttackError(
            f"expected the {len(streams)} images whose attack began, got {len(images)}: an attack that hands some of "
            "its images to another does so within `using_streams(streams[chosen])`."
        )
    return streams.branch()


@contextmanager
def using_streams(streams: Streams) -> Iterator[None]:
    """Within it, `example_streams` branches from these: for an attack that hands some of its images to another."""
    token = _current.set(streams)
    try:
        yield
    finally:
        _current.reset(token)
