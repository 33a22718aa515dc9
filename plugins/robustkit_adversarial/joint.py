"""Joint training: both objectives on one network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from robustkit import Attack, CrossEntropy, Loss, Strategy, perturb
from robustkit.components.fields import Share


@dataclass(frozen=True)
class Joint(Strategy):
    """Minimizes a weighted sum of the natural and the adversarial loss on one network, the multi-task baseline.

    The objective is `natural_share * natural + (1 - natural_share) * adversarial`: the compromise that Generalist
    (Wang and Wang, CVPR 2023) replaces by two learners.
    """

    name = "joint"

    attack: Attack
    """Makes the attacked half of the batch, against the learner's present weights."""
    natural_share: Share = 0.5
    """Share of the natural loss, 0 (adversarial training) to 1 (natural training)."""
    criterion: Loss = CrossEntropy()
    """The loss of both terms."""
    batch_norm: Literal["mixed", "separate"] = "mixed"
    """`mixed`: one forward of clean and attacked images together, BatchNorm normalizes them as one batch. `separate`:
    two forwards, clean images first, each normalized by its own statistics; running statistics are updated twice."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The weighted sum (scalar) of both mean losses."""
        adversarial = perturb(self.attack, model, images, labels)
        if self.batch_norm == "mixed":
            on_clean, on_adversarial = model(torch.cat([images, adversarial])).chunk(2)
        else:
            on_clean, on_adversarial = model(images), model(adversarial)
        natural, robust = (self.criterion(logits, labels).mean() for logits in (on_clean, on_adversarial))
        return self.natural_share * natural + (1.0 - self.natural_share) * robust
