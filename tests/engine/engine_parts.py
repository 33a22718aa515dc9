"""A plugin of one file for the engine's tests: data that can be learnt, a network with state, and breakers."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from robustkit import (
    Architecture,
    Attack,
    Augmentation,
    Budget,
    Dataset,
    Optimizer,
    Strategy,
    TensorExamples,
    hookimpl,
    perturb,
)

SEEN: dict[str, list] = defaultdict(list)
"""What strategies and augmentations of a given label were given."""
CALLS: Counter = Counter()
"""How often each breaker was asked."""


def kill(moment):
    """End this process as a power cut would, if the environment names this moment: `loss 7`, for the seventh loss."""
    CALLS[moment] += 1
    if os.environ.get("TEST_KILL") in (moment, f"{moment} {CALLS[moment]}"):
        os._exit(9)


@dataclass(frozen=True)
class Corners(Dataset):
    """Noise with a bright corner for each class: small, and soon learnt. `twist` turns labels of the test split."""

    name = "corners"

    train: int = 39
    test: int = 20
    classes: int = 3
    size: int = 6
    channels: int = 1
    test_size: int = 6
    test_classes: int = 3
    twist: int = 0

    def load(self, split):
        train = split == "train"
        count, size = (self.train, self.size) if train else (self.test, self.test_size)
        classes = self.classes if train else self.test_classes
        labels = torch.arange(count) % classes
        images = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(count + train)) * 0.5
        for index, label in enumerate(labels):
            row, column = divmod(int(label), 2)
            images[index, 0, row * 3 : row * 3 + 3, column * 3 : column * 3 + 3] += 0.45
        labels = labels if train else (labels + self.twist) % classes
        images = images.repeat(1, self.channels, 1, 1)
        return TensorExamples(images, labels, [f"class {number}" for number in range(classes)])


@dataclass(frozen=True)
class Tiny(Architecture):
    """Convolution, BatchNorm (of pixels where `flat`), ReLU, dropout and a linear layer."""

    name = "tiny"

    width: int = 4
    dropout: float = 0.0
    flat: bool = False

    def build(self, num_classes, image_shape):
        pixels = image_shape[1] * image_shape[2]
        return nn.Sequential(
            nn.Conv2d(image_shape[0], self.width, 3, padding=1),
            nn.Flatten() if self.flat else nn.Identity(),
            nn.BatchNorm1d(self.width * pixels) if self.flat else nn.BatchNorm2d(self.width),
            nn.ReLU(),
            nn.Dropout(self.dropout),
            nn.Flatten(),
            nn.Linear(self.width * pixels, num_classes),
        )


@dataclass(frozen=True)
class Watched(Strategy):
    """Cross-entropy on images that are written down; it breaks when told to."""

    name = "watched"

    label: str = ""
    attack: Attack | None = None
    not_a_number_at: int = 0
    infinite_weight_at: int = 0

    def loss(self, model, images, labels):
        kill("loss")
        SEEN[self.label].append((images.clone(), labels.clone()))
        CALLS[self.label] += 1
        if self.attack is not None:
            images = perturb(self.attack, model, images, labels)
        loss = functional.cross_entropy(model(images), labels)
        if CALLS[self.label] == self.infinite_weight_at:
            next(model.parameters()).data.fill_(torch.inf)
        return loss * torch.nan if CALLS[self.label] == self.not_a_number_at else loss


@dataclass(frozen=True)
class Brightness(Augmentation):
    """Every image darkened at random, a little; what comes in and goes out is written down."""

    name = "brightness"

    label: str = ""

    def __call__(self, images):
        darker = images * (1 - 0.2 * torch.rand(len(images), 1, 1, 1, dtype=images.dtype))
        SEEN[self.label].append((images.clone(), darker.clone()))
        return darker


class CountingSGD(torch.optim.SGD):
    """Its learning rate falls with a count that it keeps in its group, as some published optimizers keep theirs."""

    def step(self, closure):
        (group,) = self.param_groups
        count = group["count"] = group.get("count", torch.zeros(())) + 1
        lr = group["lr"]
        group["lr"] = lr / float(count)
        loss = super().step(closure)
        group["lr"] = lr
        return loss


@dataclass(frozen=True)
class Counting(Optimizer):
    """SGD that keeps a count in its group; `odd` keeps a list beside a weight, which no checkpoint holds."""

    name = "counting"

    odd: bool = False

    def build(self, parameters, lr):
        optimizer = CountingSGD(parameters, lr)
        if self.odd:
            optimizer.state[optimizer.param_groups[0]["params"][0]]["past"] = [1, 2]
        return optimizer


@dataclass(frozen=True)
class Deadly(Attack):
    """Changes nothing, but may end the process."""

    name = "deadly"

    @property
    def budget(self):
        return Budget("Linf", 0.0)

    def __call__(self, model, images, labels):
        kill("attack")
        return images.clone()


@dataclass(frozen=True)
class Tied(Architecture):
    """Two layers that share one matrix, and a bias that is not trained."""

    name = "tied"

    def build(self, num_classes, image_shape):
        pixels = image_shape[0] * image_shape[1] * image_shape[2]
        network = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, pixels), nn.Linear(pixels, pixels), nn.Linear(pixels, num_classes)
        )
        network[2].weight = network[1].weight
        network[1].bias.requires_grad_(False)
        return network


@hookimpl
def register_datasets():
    return [Corners]


@hookimpl
def register_architectures():
    return [Tiny, Tied]


@hookimpl
def register_strategies():
    return [Watched]


@hookimpl
def register_augmentations():
    return [Brightness]


@hookimpl
def register_optimizers():
    return [Counting]


@hookimpl
def register_attacks():
    return [Deadly]


@hookimpl
def epoch_ended(epoch):
    kill(f"end of epoch {epoch}")
