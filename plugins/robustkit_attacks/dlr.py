"""The difference of logits ratio."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from robustkit import Loss
from robustkit_attacks.margin import Margin

_LEAST = 1e-12
"""What is added to a denominator, as AutoAttack does: 0 where logits are all alike."""


@dataclass(frozen=True)
class DLR(Loss):
    """The difference of logits ratio: the margin, divided by how far the largest logit is above the third largest.

    Croce and Hein: Reliable Evaluation of Adversarial Robustness with an Ensemble of Diverse Parameter-free Attacks,
    ICML 2020, equation 6. Like the margin it is positive exactly where the example is misclassified; unlike it, it does
    not change when all logits are scaled or shifted. Below three classes there is no third largest logit: there it is
    the margin, without a denominator.
    """

    name = "dlr"

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The ratios (N,), at most 1."""
        margins = Margin()(logits, labels)
        if logits.shape[1] < 3:
            return margins
        largest = logits.topk(3, dim=1).values
        return margins / (largest[:, 0] - largest[:, 2] + _LEAST)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The targeted difference of logits ratio (N,): grows as `targets` (N,), other classes, overtake the labels.

    Croce and Hein (ICML 2020), equation 7. It is no loss component, since these know of no targets. Below four classes
    its denominator, the largest logit minus the mean of the third and fourth, does not exist: there it is the target's
    logit minus the true class's.
    """
    margins = (logits.gather(1, targets.unsqueeze(1)) - logits.gather(1, labels.unsqueeze(1))).squeeze(1)
    if logits.shape[1] < 4:
        return margins
    largest = logits.topk(4, dim=1).values
    return margins / (largest[:, 0] - 0.5 * (largest[:, 2] + largest[:, 3]) + _LEAST)
