"""Robust self-training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import torch
from annotated_types import Gt, Lt
from torch import Tensor, nn

from robustkit import Augmentation, Dataset, Strategy, load_model
from robustkit.components.architecture import ImageShape
from robustkit.errors import InputError, Problem
from robustkit_selftraining.pool import Pool, class_count


@dataclass(frozen=True)
class RST(Strategy):
    """Minimizes another strategy's loss on labelled images together with images that a trained network has labelled.

    Carmon, Raghunathan, Schmidt, Liang, Duchi: Unlabeled Data Improves Adversarial Robustness, NeurIPS 2019,
    with TRADES as the strategy; Raghunathan, Xie, Yang, Duchi, Liang: Understanding and Mitigating the Tradeoff between
    Robustness and Accuracy, ICML 2020. The weight of unlabelled images is their share of what the strategy
    is given. They are labelled once, on first use, by the class that the teacher finds likeliest.
    """

    name = "rst"

    strategy: Strategy
    """Whose loss is minimized on all of them; BatchNorm sees them as one batch."""
    unlabelled: Dataset
    """Its training images, drawn with replacement; its labels are not looked at."""
    teacher: str
    """Weights file of the network that labels, usually trained without attacks on the labelled images:
    `runs/natural/weights/global.safetensors`."""
    share: Annotated[float, Gt(0), Lt(1)] = 0.5
    """Of unlabelled images in what the strategy is given: 0.5 adds as many as the batch has; the released code's."""
    augmentation: tuple[Augmentation, ...] = ()
    """Of unlabelled images; give it what labelled ones get."""

    def problems(self) -> Iterable[Problem]:
        """A teacher without a name."""
        if not self.teacher:
            yield Problem(("teacher",), "expected the path of a weights file, got nothing.")

    @cached_property
    def pool(self) -> Pool:
        """The unlabelled images with their pseudo-labels, read on first use; no random number is drawn.

        Raises:
            WeightsError: the teacher's file is missing or damaged.
            DataError: the data set cannot be loaded.
        """
        with _aside():
            return Pool.labelled_by(load_model(self.teacher), self.unlabelled.load("train"))

    def check_data(self, num_classes: int, image_shape: ImageShape) -> None:
        """The teacher must take such images and know no other classes.

        Raises:
            WeightsError: the teacher's file is missing or damaged.
            InputError: it takes other images, or knows more classes.
        """
        super().check_data(num_classes, image_shape)
        with _aside():
            known = class_count(load_model(self.teacher), image_shape)
        if known > num_classes:
            raise InputError(
                f"strategy rst: the teacher {self.teacher} knows {known} classes, the data set has {num_classes}: "
                "images that it takes for another class could not be trained on. Take one trained on these classes."
            )

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The strategy's loss (scalar) on the batch with unlabelled images behind it."""
        count = max(1, round(len(images) * self.share / (1.0 - self.share)))
        more, found = self.pool.drawn(count, images)
        for augmentation in self.augmentation:
            more = augmentation(more)
        return self.strategy.loss(model, torch.cat([images, more]), torch.cat([labels, found]))


@contextmanager
def _aside() -> Iterator[None]:
    """Within it, no gradients, full precision, and random numbers that nobody else misses."""
    devices = range(torch.cuda.device_count())
    with torch.random.fork_rng(devices=devices), torch.no_grad(), torch.autocast("cpu", enabled=False):
        yield
