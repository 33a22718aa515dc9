"""Strategies: how a learner turns a batch into the loss it minimizes."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

from torch import Tensor, nn

from robustkit.components.architecture import ImageShape
from robustkit.components.component import Component


@dataclass(frozen=True)
class Strategy(Component):
    """A learner's objective. Adversarial examples come from `robustkit.perturb(attack, model, images, labels)`.

    What it must know of earlier batches it notes in `robustkit.remembered(name)`; a field that may be a schedule is
    read by `robustkit.rate_now`. A strategy around another calls the other's `loss`, and passes on just the batch.
    """

    kind: ClassVar[str] = "strategy"

    @abstractmethod
    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the scalar loss of one batch, differentiable in the model's parameters.

        Args:
            model: the learner's network in train mode; maps images to logits (N, K).
            images: (N, C, H, W), float, in [0, 1], already augmented.
            labels: (N,), int64.
        """

    def check_data(self, num_classes: int, image_shape: ImageShape) -> None:
        """Refuse training images with which this cannot go; asked once, when a run is built.

        By default it asks the strategies that this one goes around. One that overrides it calls `super`.

        Args:
            num_classes: of the run's data set.
            image_shape: (C, H, W) of its images.

        Raises:
            RobustkitError: says what does not fit.
        """
        for item in fields(self):
            part = getattr(self, item.name)
            if isinstance(part, Strategy):
                part.check_data(num_classes, image_shape)
