"""numpy's global generator is given back to the last bit, whatever state it was in and whatever is done meanwhile."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random.mtrand import get_bit_generator, set_bit_generator

from robustkit.attacking.numpy_generator import numpy_seeded


@pytest.fixture(autouse=True)
def _numpy_as_before():
    own, state = get_bit_generator(), numpy.random.get_state(legacy=False)
    yield
    set_bit_generator(own)
    numpy.random.set_state(state)


def state():
    """All of it: kind, words, place, and the normal number in store."""
    name, words, *rest = numpy.random.get_state()
    return name, words.tolist(), *rest


def draw(count=3):
    return numpy.random.rand(count).tolist(), numpy.random.randn(count).tolist()


def reseeds():
    numpy.random.seed(3)
    numpy.random.randn(3)


def replaces():
    set_bit_generator(numpy.random.PCG64(1))
    numpy.random.randn(3)


def nests():
    with numpy_seeded(4):
        numpy.random.randn(700)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 1300),
    st.integers(0, 3),
    st.sampled_from([draw, reseeds, replaces, nests]),
)
def test_every_state_is_given_back(seed, words, normals, meanwhile):
    numpy.random.seed(seed)
    numpy.random.randint(2**32, size=words, dtype=numpy.uint32)
    numpy.random.randn(normals)  # an odd number leaves one in store
    before = state()
    with numpy_seeded(7):
        meanwhile()
    assert state() == before


def test_a_normal_in_store_is_what_comes_next():
    numpy.random.seed(1)
    first, second = numpy.random.randn(2)
    numpy.random.seed(1)
    assert numpy.random.randn() == first
    with numpy_seeded(2):
        numpy.random.randn()
    assert numpy.random.randn() == second


def test_what_is_drawn_depends_on_the_seed_alone():
    with numpy_seeded(7):
        found = draw()
    numpy.random.randn()
    with numpy_seeded(7):
        assert draw() == found
    numpy.random.seed(7)
    assert draw() == found


def test_it_is_given_back_when_somebody_raises():
    numpy.random.seed(1)
    before = state()
    with pytest.raises(ValueError, match="high <= 0"), numpy_seeded(2):
        numpy.random.randint(numpy.random.randint(5) - 9)
    assert state() == before


def test_a_generator_of_another_kind_comes_back():
    own = numpy.random.PCG64(5)
    set_bit_generator(own)
    numpy.random.randn()
    before = numpy.random.get_state(legacy=False)
    with numpy_seeded(7):
        inside = draw()
    assert get_bit_generator() is own
    assert numpy.random.get_state(legacy=False) == before
    set_bit_generator(numpy.random.MT19937())
    numpy.random.seed(7)
    assert inside == draw()
