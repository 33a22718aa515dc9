"""The Kullback-Leibler divergence between natural and adversarial predictions, and the attack that maximizes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustkit import Attack, Budget, example_streams
from robustkit.components.fields import Positive, PositiveInt

Norm: TypeAlias = Literal["Linf", "L2"]


def kl_divergence(natural: Tensor, adversarial: Tensor) -> Tensor:
    """The divergence (N,) of adversarial from natural predictions, given logits (N, K); differentiable in both."""
    predicted, wanted = functional.log_softmax(adversarial, dim=1), functional.log_softmax(natural, dim=1)
    return functional.kl_div(predicted, wanted, reduction="none", log_target=True).sum(dim=1)


@dataclass(frozen=True)
class KLPGD(Attack):
    """Projected gradient ascent on the divergence of the predictions from those on the clean images; it uses no labels.

    The inner maximization of TRADES: Zhang, Yu, Jiao, Xing, El Ghaoui, Jordan: Theoretically Principled Trade-off
    between Robustness and Accuracy, ICML 2019. The divergence has no gradient at the clean images, so the
    ascent starts from small Gaussian noise.
    """

    name = "kl-pgd"

    eps: Positive
    """Radius of the ball around each image, in `norm`, in units of [0, 1] pixels."""
    step_size: Positive
    """Length of a step, in `norm`."""
    steps: PositiveInt
    """Gradient steps; each costs a forward and a backward, and one forward more gives the clean predictions."""
    norm: Norm = "Linf"
    """Linf: sign steps; L2: steps along the normalized gradient."""
    start_noise: Positive = 0.001
    """Standard deviation of the Gaussian noise it starts from, in pixels; TRADES's 0.001."""

    @property
    def budget(self) -> Budget:
        """`eps` in `norm`."""
        return Budget(self.norm, self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The images after the last step."""
        with torch.no_grad():
            natural = model(images)
        adversarial = images + self.start_noise * example_streams(images).normal_like(images)
        for _ in range(self.steps):
            adversarial.requires_grad_()
            ascent = torch.autograd.grad(kl_divergence(natural, model(adversarial)).sum(), adversarial)[0]
            adversarial = self._projected(images, adversarial.detach() + self.step_size * self._direction(ascent))
        return adversarial

    def _direction(self, gradient: Tensor) -> Tensor:
        return gradient.sign() if self.norm == "Linf" else gradient / _lengths(gradient)

    def _projected(self, images: Tensor, adversarial: Tensor) -> Tensor:
        moved = adversarial - images
        if self.norm == "Linf":
            moved = moved.clamp(-self.eps, self.eps)
        else:
            moved = moved * (self.eps / _lengths(moved)).clamp(max=1.0)
        return (images + moved).clamp(0.0, 1.0)


def _lengths(vectors: Tensor) -> Tensor:
    """The Euclidean length of each image-shaped vector, shape (N, 1, ...), never 0."""
    lengths: Tensor = torch.linalg.vector_norm(vectors.flatten(1), dim=1).clamp_min(1e-12)
    return lengths.view(-1, *[1] * (vectors.ndim - 1))
