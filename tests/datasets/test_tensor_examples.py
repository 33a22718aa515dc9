"""Examples in memory: what they hand out, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustkit import Examples, TensorExamples
from robustkit.components.examples import as_floats
from robustkit.errors import DataError

IMAGES = torch.arange(4 * 3 * 2 * 2).reshape(4, 3, 2, 2).to(torch.uint8)
FLOATS = IMAGES / 255
LABELS = torch.tensor([0, 1, 1, 0])


def refusal(images=IMAGES, labels=LABELS, names=("a", "b")) -> str:
    with pytest.raises(DataError) as caught:
        TensorExamples(images, labels, names, origin="here")
    assert str(caught.value).startswith("here: ")
    return str(caught.value)


def test_bytes_become_fractions():
    examples = TensorExamples(IMAGES, LABELS, ["a", "b"])
    assert torch.equal(examples.images(torch.tensor([3, 0])), IMAGES[[3, 0]].float() / 255)
    assert (examples.image_shape, len(examples), examples.num_classes) == ((3, 2, 2), 4, 2)


def test_what_is_handed_out_is_nobodys_memory():
    examples = TensorExamples(FLOATS, LABELS, ["a", "b"])
    examples.images(torch.tensor([0, 1])).zero_()
    assert torch.equal(examples.images(torch.arange(4)), FLOATS)


def test_a_subset_of_a_subset():
    part = TensorExamples(IMAGES, LABELS, ["a", "b"]).subset(torch.tensor([3, 1, 0])).subset(torch.tensor([2, 1]))
    assert part.labels.tolist() == [0, 1]
    assert torch.equal(part.to(torch.device("cpu")).images(torch.tensor([0, 1])), IMAGES[[0, 1]].float() / 255)
    assert part.class_names == ("a", "b")


@settings(max_examples=50)
@given(st.data())
def test_any_part_of_a_part_is_looked_up_in_the_whole_at_once(data):
    whole = TensorExamples(IMAGES, LABELS, ["a", "b"])
    part, where = whole, list(range(4))
    for _ in range(3):
        chosen = data.draw(st.lists(st.integers(0, len(where) - 1), min_size=1, max_size=6))
        part, where = part.subset(torch.tensor(chosen)), [where[index] for index in chosen]
    assert part.whole is whole
    assert part.labels.tolist() == LABELS[where].tolist()
    everything = torch.arange(len(where))
    assert torch.equal(part.pixels(everything), IMAGES[where])
    assert torch.equal(part.images(everything), whole.images(torch.tensor(where)))
    assert part.resident
    assert part.missing(everything).tolist() == []


def test_every_byte_becomes_the_same_fraction_as_it_always_did():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(as_floats(pixels), pixels.float().div_(255))
    assert torch.equal(as_floats(pixels.double() / 255), (pixels.double() / 255).float())


def test_stored_images_keep_their_type_and_lie_in_one_piece():
    last = IMAGES.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    for images in (IMAGES, FLOATS.half(), last):
        pixels = TensorExamples(images, LABELS, ["a", "b"]).pixels(torch.tensor([2, 0]))
        assert pixels.dtype == images.dtype
        assert torch.equal(pixels, images[[2, 0]])
        assert pixels.is_contiguous()


def test_on_another_device_they_are_the_same_and_those_here_stay():
    examples = TensorExamples(IMAGES, LABELS, ["a", "b"])
    moved = examples.to(torch.device("meta"))
    assert (moved.labels.device.type, examples.labels.device.type) == ("meta", "cpu")
    assert (moved.image_shape, moved.class_names, len(moved)) == ((3, 2, 2), ("a", "b"), 4)


class Kept(Examples):
    """Decodes on demand and keeps what was decoded; an image is its index."""

    def __init__(self):
        self.labels, self.class_names, self.kept = torch.zeros(6, dtype=torch.int64), ("a",), {}

    image_shape, resident = (1, 1, 1), False

    def images(self, indices):
        return indices.float().view(-1, 1, 1, 1) / 255

    def missing(self, indices):
        return indices[torch.tensor([index not in self.kept for index in indices.tolist()])]

    def complete(self, indices, missing, decoded):
        self.kept.update(zip(missing.tolist(), decoded, strict=True))
        return torch.stack([self.kept[index] for index in indices.tolist()])


def test_a_part_knows_what_the_whole_keeps():
    whole = Kept()
    part = whole.subset(torch.tensor([5, 3, 1]))
    assert not part.resident
    assert part.missing(torch.tensor([2, 0])).tolist() == [2, 0]
    first = part.complete(torch.tensor([2, 0]), torch.tensor([2, 0]), whole.images(torch.tensor([1, 5])))
    assert (first.flatten() * 255).tolist() == [1, 5]
    assert part.missing(torch.arange(3)).tolist() == [1]
    both = part.complete(torch.arange(3), torch.tensor([1]), whole.images(torch.tensor([3])))
    assert (both.flatten() * 255).tolist() == [5, 3, 1]
    assert whole.missing(torch.arange(6)).tolist() == [0, 2, 4]


def test_examples_that_only_decode_are_wholly_missing_and_complete_as_decoded():
    class Plain(Kept):
        missing, complete = Examples.missing, Examples.complete

    part, indices = Plain().subset(torch.tensor([4, 2])), torch.tensor([1, 0])
    assert part.missing(indices).tolist() == [1, 0]
    decoded = part.pixels(indices)
    assert part.complete(indices, indices, decoded) is decoded


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.int8, torch.int32])
def test_any_integer_type_of_labels(dtype):
    assert torch.equal(TensorExamples(IMAGES, LABELS.to(dtype), ["a", "b"]).labels, LABELS)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (IMAGES[0], "expected images (N, C, H, W)"),
        (IMAGES.int(), "got torch.int32"),
        (IMAGES[:0], "expected 0 whole-number labels"),
        (FLOATS * 255, "values from 0 to 47. Divide them by 255."),
        (FLOATS + 1e-6 - FLOATS.max() + 1, "to 1.00000"),
        (FLOATS - 0.5, "Undo their normalization: it belongs in the recipe."),
        (FLOATS * torch.nan, "NaN or infinite"),
        (FLOATS / FLOATS.flip(0) * torch.inf, "NaN or infinite"),
    ],
)
def test_wrong_images(images, expected):
    assert expected in refusal(images)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (LABELS[:3], "expected 4 whole-number labels, one an image, got torch.int64 of shape (3,)"),
        (LABELS.float(), "got torch.float32"),
        (LABELS.bool(), "got torch.bool"),
        (LABELS[:, None], "got torch.int64 of shape (4, 1)"),
        (LABELS - 1, "expected labels 0 to 1, got -1 to 0"),
        (LABELS * 2, "expected labels 0 to 1, got 0 to 2"),
    ],
)
def test_wrong_labels(labels, expected):
    assert expected in refusal(labels=labels)


def test_no_examples():
    assert "there are no images" in refusal(IMAGES[:0], LABELS[:0])
