"""Natural training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from robustkit import CrossEntropy, Loss, Strategy


@dataclass(frozen=True)
class Natural(Strategy):
    """Minimizes the mean loss on the images as they come, without an attack."""

    name = "natural"

    criterion: Loss = CrossEntropy()
    """The loss on clean images."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss (scalar) of the batch; one forward."""
        return self.criterion(model(images), labels).mean()
