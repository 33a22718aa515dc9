"""Examples in memory: what they hand out, and what they refuse."""

from __future__ import annotations

import pytest
import torch

from robustkit import TensorExamples
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
