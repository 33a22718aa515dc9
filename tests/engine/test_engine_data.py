"""A run's data: what is held out, what is dealt out, and in which order."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustkit.engine.data import RunData, stratified
from robustkit.errors import DataError

CPU = torch.device("cpu")


@pytest.fixture
def load(recipe):
    return lambda **changes: RunData(recipe(**changes), CPU)


def pixels(examples):
    """Every image as text, so that images can be compared as sets."""
    return [bytes(image.numpy()) for image in examples.images(torch.arange(len(examples)))]


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.data())
def test_the_split_is_complete_disjoint_sorted_and_even_over_classes(labels, data):
    labels = torch.tensor(labels)
    count = data.draw(st.integers(0, len(labels) - 1))
    kept, taken = stratified(labels, count, data.draw(st.integers(0, 2**62)))
    assert len(taken) == count
    assert torch.cat([kept, taken]).sort().values.tolist() == list(range(len(labels)))
    assert kept.tolist() == sorted(kept.tolist())
    assert taken.tolist() == sorted(taken.tolist())
    for label in labels.unique():
        share = count * int((labels == label).sum()) / len(labels)
        assert abs(int((labels[taken] == label).sum()) - share) < 1


@pytest.mark.parametrize("count", [5, 6])
def test_something_must_be_left(count):
    with pytest.raises(DataError, match=f"{count} examples were to be taken from 5, which leaves none"):
        stratified(torch.zeros(5, dtype=torch.int64), count, 0)


def test_within_a_class_chance_decides():
    labels = torch.zeros(100, dtype=torch.int64)
    first, again, other = (stratified(labels, 10, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert {index for seed in range(200) for index in stratified(labels, 10, seed)[1].tolist()} == set(range(100))


def test_validation_is_held_out_of_training(load):
    data = load()
    assert (len(data.train), len(data.validation), len(data.test)) == (27, 12, 20)
    assert set(pixels(data.train)).isdisjoint(pixels(data.validation))
    assert torch.bincount(data.validation.labels).tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    "changes", [{"batch_size": 4}, {"epochs": 9}, {"train_examples": 10}, {"precision": "float64"}]
)
def test_validation_examples_depend_on_the_seed_alone(load, changes):
    assert pixels(load().validation) == pixels(load(**changes).validation)


def test_another_seed_holds_out_others(load):
    assert set(pixels(load().validation)) != set(pixels(load(seed=2).validation))


def test_by_default_a_tenth_is_held_out_and_at_most_1000(load):
    assert len(load(validation_examples=None).validation) == 3
    many = {"use": "corners", "train": 12000, "size": 3, "test_size": 3}
    assert len(load(validation_examples=None, dataset=many).validation) == 1000


def test_fewer_training_examples(load):
    few, all_of_them = load(train_examples=15), load(train_examples=1000)
    assert len(few.train) == 15
    assert torch.bincount(few.train.labels).tolist() == [5, 5, 5]
    assert set(pixels(few.train)) < set(pixels(load().train))
    assert pixels(all_of_them.train) == pixels(load().train)


def test_fewer_test_examples_are_the_first_ones(load):
    assert pixels(load(evaluation={"test_examples": 5}).test) == pixels(load().test)[:5]
    assert len(load(evaluation={"test_examples": 500}).test) == 20


def test_an_epoch_is_a_random_order_without_the_smaller_last_batch(load):
    data = load()
    whole, epochs = pixels(data.train), []
    for epoch in (1, 2):
        batches = list(data.batches(epoch))
        assert [len(images) for images, _ in batches] == [8, 8, 8]
        images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
        order = [whole.index(bytes(image.numpy())) for image in images]
        assert labels.tolist() == data.train.labels[order].tolist()
        assert len(set(order)) == 24
        epochs.append(order)
    assert epochs[0] != epochs[1]


def test_an_epochs_batches_depend_on_nothing_that_was_drawn_before(load):
    shared = [{"use": "brightness"}]
    data = load(augmentation=shared)
    first = [images.clone() for images, _ in data.batches(2)]
    torch.rand(5)
    fresh = [images for images, _ in load(augmentation=shared).batches(2)]
    assert all(torch.equal(one, other) for one, other in zip(first, fresh, strict=True))


def test_precision_is_that_of_the_recipe(load):
    assert next(load().batches(1))[0].dtype == torch.float32
    assert next(load(precision="float64").batches(1))[0].dtype == torch.float64


def watched(data, *names):
    """Learners that write down what they are given; those named have their own augmentation."""
    learners = data()["learners"]
    for name, learner in learners.items():
        learner["strategy"] = {"use": "watched", "label": name}
        learner["augmentation"] = [{"use": "brightness", "label": f"own {name}"}] if name in names else []
    return {"learners": learners, "augmentation": [{"use": "brightness", "label": "shared"}]}


def test_learners_without_their_own_augmentation_see_the_same_batch(train, data, parts):
    train(**watched(data))
    assert len(parts.SEEN["natural"]) == len(parts.SEEN["robust"]) == 6
    for (images, labels), (others, same) in zip(parts.SEEN["natural"], parts.SEEN["robust"], strict=True):
        assert torch.equal(images, others)
        assert torch.equal(labels, same)


def test_shared_augmentation_comes_once_and_a_learners_own_after_it(train, data, parts):
    train(**watched(data, "robust"))
    assert len(parts.SEEN["shared"]) == len(parts.SEEN["own robust"]) == 6
    rows = zip(
        *(parts.SEEN[label] for label in ("shared", "natural", "own robust", "robust")),
        strict=True,
    )
    for (plain, dealt), (natural, _), (own, changed), (robust, _) in rows:
        assert not torch.equal(plain, dealt)
        assert torch.equal(dealt, natural)
        assert torch.equal(dealt, own)
        assert torch.equal(changed, robust)
        assert not torch.equal(own, changed)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"batch_size": 28},
            "batch_size is 28, but only 27 training examples are left (39 less 12 for validation). "
            "Lower batch_size or validation_examples.",
        ),
        ({"train_examples": 5}, "batch_size is 8, but only 5 training examples are left"),
        ({"validation_examples": 39}, "validation_examples is 39, which leaves none of the 39 examples to train on"),
        (
            {
                "dataset": {"use": "corners", "train": 9},
                "validation_examples": None,
                "evaluation": {"select_by": "natural"},
            },
            "select_by: natural needs validation examples, but a tenth of 9 training examples is none.",
        ),
        (
            {"dataset": {"use": "corners", "test_size": 7}},
            "dataset corners: training images (1, 6, 6) in 3 classes, test images (1, 7, 7) in 3.",
        ),
        (
            {"dataset": {"use": "corners", "test_classes": 2}},
            "training images (1, 6, 6) in 3 classes, test images (1, 6, 6) in 2.",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused_before_a_folder_is_made(train, tmp_path, changes, text):
    with pytest.raises(DataError) as caught:
        train(**changes, output=tmp_path / "run")
    assert text in str(caught.value)
    assert not (tmp_path / "run").exists()
