"""A plugin of one file: random images, for measurements that do not depend on what is in them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from robustkit import Dataset, Examples, TensorExamples, hookimpl
from robustkit.components.dataset import Split


@dataclass(frozen=True)
class RandomImages(Dataset):
    """Random pixels with random labels, held as uint8 as real data sets are."""

    name = "random-images"

    count: int
    """Training examples."""
    shape: tuple[int, int, int] = (3, 32, 32)
    """Channels, height, width."""
    classes: int = 10
    """How many there are."""

    def load(self, split: Split) -> Examples:
        """`count` training examples, or one test example for each class."""
        count = self.count if split == "train" else self.classes
        generator = torch.Generator().manual_seed(count)
        images = torch.randint(256, (count, *self.shape), dtype=torch.uint8, generator=generator)
        labels = torch.randint(self.classes, (count,), generator=generator)
        return TensorExamples(images, labels, [str(number) for number in range(self.classes)])


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    """The images."""
    return [RandomImages]
