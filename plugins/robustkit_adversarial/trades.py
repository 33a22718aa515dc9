"""TRADES."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from robustkit import Attack, CrossEntropy, Loss, Strategy, perturb
from robustkit.components.fields import NonNegative, Positive, PositiveInt
from robustkit_adversarial.divergence import KLPGD, Norm, kl_divergence


@dataclass(frozen=True)
class TRADES(Strategy):
    """Minimizes the natural loss plus `beta` times the divergence of adversarial from natural predictions.

    Zhang, Yu, Jiao, Xing, El Ghaoui, Jordan: Theoretically Principled Trade-off between Robustness and Accuracy,
    ICML 2019. The attack maximizes the same divergence (`kl-pgd`), from Gaussian noise of 0.001; both
    predictions get gradients. Clean and attacked images go through the network in two forwards, clean first, so
    BatchNorm normalizes each by its own statistics.
    """

    name = "trades"

    beta: NonNegative = 6.0
    """Weight of the divergence (1/lambda in the paper): higher is more robust and less accurate on clean images."""
    eps: Positive = 8 / 255
    """Radius of the ball around each image, in `norm`, in units of [0, 1] pixels."""
    norm: Norm = "Linf"
    """Linf: sign steps; L2: steps along the normalized gradient."""
    step_size: Positive = 2 / 255
    """Length of a step of the attack, in `norm`."""
    steps: PositiveInt = 10
    """Gradient steps of the attack."""
    criterion: Loss = CrossEntropy()
    """The loss on clean images."""

    @property
    def attack(self) -> Attack:
        """What the second term is minimized against."""
        return KLPGD(self.eps, self.step_size, self.steps, self.norm)

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The sum (scalar) of both terms' means over the batch."""
        attacked = perturb(self.attack, model, images, labels)
        natural, adversarial = model(images), model(attacked)
        divergence = kl_divergence(natural, adversarial).mean()
        return self.criterion(natural, labels).mean() + self.beta * divergence
