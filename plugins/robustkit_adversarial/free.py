"""Free adversarial training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustkit import CrossEntropy, Loss, Strategy, remembered
from robustkit.components.fields import Positive


@dataclass(frozen=True)
class Free(Strategy):
    """Adversarial training whose perturbation moves along the image gradient that the weights' backward gives anyway.

    Shafahi, Najibi, Ghiasi, Xu, Dickerson, Studer, Davis, Taylor, Goldstein: Adversarial Training for Free!, NeurIPS
    2019. The m replays of a batch are the learner's `updates_per_batch`, and the run has m times fewer
    epochs. One perturbation, begun at zero, goes from replay to replay and on to the next batch. Gradients
    are those of the network in train mode, at the images as they were clipped to [0, 1].
    """

    name = "free"

    eps: Positive = 8 / 255
    """Radius of the Linf ball around each image, in units of [0, 1] pixels."""
    step_size: Positive | None = None
    """How far the perturbation moves at each replay; by default eps, the paper's."""
    criterion: Loss = CrossEntropy()
    """The loss on perturbed images."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss (scalar) of the perturbed batch; its backward moves the perturbation, for the next call."""
        notes = remembered(self.name)
        kept = notes.get("perturbation")
        if kept is None or kept.shape != images.shape:
            kept = torch.zeros_like(images)
        moved = kept.to(images)
        points = (images + moved).clamp(0.0, 1.0).requires_grad_()
        points.register_hook(  # type: ignore[no-untyped-call]
            lambda slope: notes.update(perturbation=self._after(moved, slope))
        )
        return self.criterion(model(points), labels).mean()

    def _after(self, moved: Tensor, slope: Tensor) -> Tensor:
        return (moved + (self.step_size or self.eps) * slope.sign()).clamp(-self.eps, self.eps)
