"""The handwritten digits that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from robustkit import Dataset, Examples, TensorExamples
from robustkit.components.dataset import Split
from robustkit.components.fields import PositiveInt
from robustkit.errors import Problem

EXAMPLES = 1797


@dataclass(frozen=True)
class Digits(Dataset):
    """1,797 real handwritten digits of 8x8 pixels, at hand without a download: for tries, tests and tutorials.

    The images of Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
    1998, as `sklearn.datasets.load_digits` brings them; their values 0 to 16 become [0, 1]. There is no official split:
    the test examples are spread evenly over each class in the file's order, so they never depend on a seed.
    """

    name = "digits"

    test_examples: PositiveInt = 450
    """How many of the 1,797 examples are the test split, each class in proportion; the others are for training."""

    def problems(self) -> Iterable[Problem]:
        """Some examples must be left to train on."""
        if self.test_examples >= EXAMPLES:
            text = f"expected fewer than the {EXAMPLES} examples there are, got {self.test_examples}."
            yield Problem(("test_examples",), text)

    def load(self, split: Split) -> Examples:
        """The examples of a split, in the file's order."""
        from sklearn.datasets import load_digits

        bunch = load_digits()
        images = torch.from_numpy(bunch.images).float().div_(16).unsqueeze(1)
        labels = torch.from_numpy(bunch.target).long()
        held_out = spread_evenly(labels, self.test_examples)
        chosen = held_out if split == "test" else ~held_out
        return TensorExamples(images[chosen], labels[chosen], [str(digit) for digit in range(10)], f"digits {split}")


def spread_evenly(labels: Tensor, wanted: int) -> Tensor:
    """A mask (N,) of `wanted` examples: each class in proportion, evenly spaced among its examples in their order."""
    mask = torch.zeros(len(labels), dtype=torch.bool)
    for label, share in enumerate(proportional(torch.bincount(labels).tolist(), wanted)):
        members = (labels == label).nonzero().flatten()
        mask[[int(members[(2 * i + 1) * len(members) // (2 * share)]) for i in range(share)]] = True
    return mask


def proportional(sizes: list[int], wanted: int) -> list[int]:
    """Whole shares of `wanted` in proportion to `sizes`, by largest remainders; the first of equals comes first."""
    total = sum(sizes)
    shares = [size * wanted // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: -(sizes[i] * wanted % total))
    for i in by_remainder[: wanted - sum(shares)]:
        shares[i] += 1
    return shares
