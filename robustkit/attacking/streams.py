"""Private random numbers for attacks: one stream an example, whatever batch the example is in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from robustkit.errors import AttackError

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_DRAW = 0x632BE59BD9B4E019
_MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
_MIX_2 = 0x94D049BB133111EB - 2**64


class Streams:
    """Random numbers for a batch of examples, each from a stream of its own.

    What an example draws depends on its seed and on how often was drawn before, never on the other examples: not on the
    batch's size or order, nor on who has left it. Numbers are made by counting: the SplitMix64 finalizer (Steele, Lea,
    Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, section 4) of seed, draw and position, computed
    for the whole batch at once, on the seeds' device.

    Args:
        seeds: (N,), int64, one an example.
        draws: how often was drawn before.
    """

    def __init__(self, seeds: Tensor, draws: int = 0) -> None:
        self.seeds, self.draws = seeds, draws

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.seeds)

    def __getitem__(self, chosen: Tensor) -> Streams:
        """The streams of some of the examples (a mask or indices), each where it stands; drawing moves only these."""
        return Streams(self.seeds[chosen], self.draws)

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Numbers (N, *shape), uniform in [0, 1)."""
        bits = 53 if dtype == torch.float64 else 24
        whole: Tensor = (self._words(shape) >> (64 - bits)) & ((1 << bits) - 1)
        numbers: Tensor = whole.to(dtype)
        return numbers.mul_(math.ldexp(1.0, -bits))

    def uniform_like(self, images: Tensor) -> Tensor:
        """Numbers of the images' shape and type, uniform in [0, 1).

        Raises:
            AttackError: the images are not as many as the streams.
        """
        if len(images) != len(self):
            raise AttackError(
                f"expected images for {len(self)} random streams, got {len(images)}: choose streams, too."
            )
        return self.uniform(*images.shape[1:], dtype=images.dtype)

    def normal_like(self, images: Tensor) -> Tensor:
        """Numbers of the images' shape and type with a standard normal distribution.

        Raises:
            AttackError: the images are not as many as the streams.
        """
        fine = self.uniform_like(images.double() if images.dtype != torch.float64 else images)
        normal: Tensor = torch.special.ndtri(fine + math.ldexp(1.0, -54))
        return normal.to(images.dtype)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Whole numbers (N, *shape), int64, uniform in 0 to high - 1 (their bias is below high / 2^53)."""
        return (self.uniform(*shape, dtype=torch.float64) * high).long()

    def _words(self, shape: tuple[int, ...]) -> Tensor:
        count = 1
        for size in shape:
            count *= size
        # The draw's own seed is mixed before positions are added, so that no two draws can run into each other.
        base = _mixed(self.seeds + _wrapped((self.draws + 1) * _DRAW))
        self.draws += 1
        places = torch.arange(1, count + 1, device=self.seeds.device) * _GOLDEN
        return _mixed(base.unsqueeze(1) + places).reshape(len(self.seeds), *shape)


def _mixed(words: Tensor) -> Tensor:
    words = (words ^ _shifted(words, 30)) * _MIX_1
    words = (words ^ _shifted(words, 27)) * _MIX_2
    return words ^ _shifted(words, 31)


def _wrapped(number: int) -> int:
    """As an int64 has it."""
    return (number + 2**63) % 2**64 - 2**63


def _shifted(words: Tensor, bits: int) -> Tensor:
    """Shifted right with zeros coming in, which int64 does not do by itself."""
    return (words >> bits) & ((1 << (64 - bits)) - 1)


def streams_from(seed: int, examples: Tensor) -> Streams:
    """Streams for the examples with these numbers (N,), int64: equal numbers give equal streams."""
    return Streams(_mixed(_mixed(examples * _GOLDEN + seed) + seed))


_current: ContextVar[Streams | None] = ContextVar("example_streams", default=None)


def example_streams(images: Tensor) -> Streams:
    """The private random streams of the images being attacked, in their order: what an attack draws from.

    Outside `perturb`, where nobody gave seeds, they are drawn from torch's global generator.

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
    return streams


@contextmanager
def using_streams(streams: Streams) -> Iterator[None]:
    """Within it, `example_streams` gives these: for an attack that hands some of its images to another."""
    token = _current.set(streams)
    try:
        yield
    finally:
        _current.reset(token)
