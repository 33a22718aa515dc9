"""numpy's global generator, put aside and given back exactly, and fast."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy
from numpy.random import MT19937
from numpy.random.mtrand import get_bit_generator, set_bit_generator

_WORDS = 624 * 4 + 4
"""Bytes of the Mersenne Twister's state: its words, and the place in them."""


@contextmanager
def numpy_seeded(seed: int) -> Iterator[None]:
    """Within it, numpy's global generator draws from this seed; afterwards it goes on as if nothing had been drawn.

    `numpy.random.get_state` and `set_state` copy word by word in Python objects, a hundredth of a small network's
    training step. So the words are copied as memory, which numpy gives the address of. A normal number that the
    generator has in store (it makes them in pairs) is drawn to see whether there is one.
    """
    own = get_bit_generator()
    if type(own) is not MT19937:  # somebody's choice, with a state of its own kind; most of them have few words
        with _replaced(seed):
            yield
        return
    address = own.ctypes.state_address
    words = ctypes.string_at(address, _WORDS)
    normal = numpy.random.standard_normal()
    in_store = ctypes.string_at(address, _WORDS) == words
    numpy.random.seed(seed)
    try:
        yield
    finally:
        set_bit_generator(own)  # which also empties the store
        ctypes.memmove(address, words, _WORDS)
        if in_store:
            _store(normal)


def _store(normal: float) -> None:
    state: Any = numpy.random.get_state(legacy=False)
    numpy.random.set_state({**state, "has_gauss": 1, "gauss": normal})


@contextmanager
def _replaced(seed: int) -> Iterator[None]:
    own, state = get_bit_generator(), numpy.random.get_state(legacy=False)
    set_bit_generator(MT19937())
    numpy.random.seed(seed)
    try:
        yield
    finally:
        set_bit_generator(own)
        numpy.random.set_state(state)
