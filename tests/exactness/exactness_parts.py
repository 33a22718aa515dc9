"""A plugin of one file for the exactness tests: tiny data, a tiny network, and recorders."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import torch
from torch import nn

from robustkit import (
    Architecture,
    Attack,
    Augmentation,
    Dataset,
    Strategy,
    TensorExamples,
    example_streams,
    hookimpl,
    using_streams,
)

BATCHES: dict[str, list] = defaultdict(list)
"""What each learner's strategy was given: (images, labels), by the learner's name."""
STARTS: dict[str, list] = defaultdict(list)
"""What each attack in training draws for its start, uniform in [0, 1), by the learner's name."""


def pictures(count, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 2, 8, 8, generator=generator), torch.randint(3, (count,), generator=generator)


@dataclass(frozen=True)
class Noise(Dataset):
    """Random images with random labels."""

    name = "noise"

    def load(self, split):
        return TensorExamples(*(pictures(44, 0) if split == "train" else pictures(9, 1)), ("a", "b", "c"))


@dataclass(frozen=True)
class TwoBlocks(Architecture):
    """Two blocks of convolution, BatchNorm and ReLU, the mean over pixels, and a linear layer."""

    name = "two-blocks"

    def build(self, num_classes, image_shape):
        return Network(num_classes, image_shape[0])


class Network(nn.Module):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.head = nn.Linear(5, num_classes)

    def forward(self, images):
        hidden = torch.relu(self.bn1(self.conv1(images)))
        hidden = torch.relu(self.bn2(self.conv2(hidden)))
        return self.head(hidden.mean((2, 3)))


@dataclass(frozen=True)
class Recorded(Strategy):
    """Another strategy, whose batches are written down."""

    name = "recorded"

    learner: str
    inner: Strategy

    def loss(self, model, images, labels):
        BATCHES[self.learner].append((images.clone(), labels.clone()))
        return self.inner.loss(model, images, labels)


@dataclass(frozen=True)
class RecordedStarts(Attack):
    """Another attack; what it draws for its start is drawn from the same streams beforehand and written down."""

    name = "recorded-starts"

    learner: str
    inner: Attack

    @property
    def budget(self):
        return self.inner.budget

    def __call__(self, model, images, labels):
        streams = example_streams(images)
        with using_streams(streams[torch.arange(len(images))]):
            STARTS[self.learner].append(example_streams(images).uniform_like(images))
        with using_streams(streams):
            return self.inner(model, images, labels)


@dataclass(frozen=True)
class Rolled(Augmentation):
    """Every batch moved round by some pixels."""

    name = "rolled"

    def __call__(self, images):
        return images.roll(int(torch.randint(8, ())), dims=3)


@hookimpl
def register_augmentations():
    return [Rolled]


@hookimpl
def register_datasets():
    return [Noise]


@hookimpl
def register_architectures():
    return [TwoBlocks]


@hookimpl
def register_strategies():
    return [Recorded]


@hookimpl
def register_attacks():
    return [RecordedStarts]
