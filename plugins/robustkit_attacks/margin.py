"""The margin loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robustkit import Loss


@dataclass(frozen=True)
class Margin(Loss):
    """The largest logit of another class minus the true class's: positive exactly where the example is misclassified.

    Carlini and Wagner: Towards Evaluating the Robustness of Neural Networks, IEEE S&P 2017, the objective f6 with its
    sign turned and without its floor. Unlike cross-entropy it does not saturate, so it still has a gradient where a
    network is very sure of itself. Defined from two classes on.
    """

    name = "margin"

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The margins (N,)."""
        own = labels.unsqueeze(1)
        others = logits.scatter(1, own, -torch.inf).amax(dim=1)
        return others - logits.gather(1, own).squeeze(1)
