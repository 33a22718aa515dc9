"""The digits that come with scikit-learn: their values and their fixed split."""

from __future__ import annotations

import hashlib
import random

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from robustkit_datasets import Digits
from robustkit_datasets.digits import proportional, spread_evenly
from sklearn.datasets import load_digits

from robustkit.errors import ComponentError


def everything(examples):
    return examples.images(torch.arange(len(examples)))


def test_images_are_the_originals_divided_by_16():
    original = load_digits()
    train, test = Digits().load("train"), Digits().load("test")
    assert (len(train), len(test)) == (1347, 450)
    assert train.image_shape == test.image_shape == (1, 8, 8)
    assert train.class_names == test.class_names == tuple("0123456789")
    assert everything(train).dtype == torch.float32
    ours = sorted((image.numpy() * 16).tobytes() for image in torch.cat([everything(train), everything(test)]))
    assert ours == sorted(image.astype(numpy.float32).tobytes() for image in original.images)


def test_splits_share_no_position_and_keep_the_files_order():
    labels = torch.from_numpy(load_digits().target)
    held_out = spread_evenly(labels, 450)
    assert torch.equal(Digits().load("test").labels, labels[held_out])
    assert torch.equal(Digits().load("train").labels, labels[~held_out])


def test_the_split_is_stratified():
    test = torch.bincount(Digits().load("test").labels)
    whole = torch.bincount(torch.from_numpy(load_digits().target))
    assert ((test - whole * 450 / 1797).abs() < 1).all()


def test_the_split_never_changes():
    """The figure of a run on digits must mean the same everywhere; this split is part of every published number."""
    random.seed(1), numpy.random.seed(2), torch.manual_seed(3)
    held_out = spread_evenly(torch.from_numpy(load_digits().target), 450)
    digest = hashlib.sha256(held_out.numpy().tobytes()).hexdigest()
    assert digest == "404ee7c3b5ffa12545c9b517757213ab373ab5e26ecbc5049a5f858f1b04af67"


@pytest.mark.parametrize("wanted", [1, 10, 1796])
def test_any_number_of_test_examples(wanted):
    data = Digits(test_examples=wanted)
    assert (len(data.load("train")), len(data.load("test"))) == (1797 - wanted, wanted)


@pytest.mark.parametrize(("wanted", "message"), [(1797, "fewer than the 1797"), (0, "of at least 1")])
def test_an_impossible_number_of_test_examples(wanted, message):
    with pytest.raises(ComponentError, match=message):
        Digits(test_examples=wanted)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.data())
def test_shares_are_proportional_and_complete(sizes, data):
    wanted = data.draw(st.integers(0, max(0, sum(sizes) - 1)))
    if sum(sizes) == 0:
        return
    shares = proportional(sizes, wanted)
    assert sum(shares) == wanted
    assert all(abs(share - size * wanted / sum(sizes)) < 1 for share, size in zip(shares, sizes, strict=True))
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.data())
def test_exactly_the_wanted_number_is_held_out(labels, data):
    wanted = data.draw(st.integers(0, len(labels) - 1))
    assert int(spread_evenly(torch.tensor(labels), wanted).sum()) == wanted


def test_spacing_is_even():
    assert spread_evenly(torch.zeros(9, dtype=torch.int64), 3).nonzero().flatten().tolist() == [1, 4, 7]
