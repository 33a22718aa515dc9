"""Sharpness-aware minimization."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robustkit.components.fields import Positive
from robustkit_optimizers.sgd import SGD


@dataclass(frozen=True)
class SAM(SGD):
    """SGD on the gradient found a step uphill, which looks for flat minima; every step costs two.

    Foret, Kleiner, Mobahi, Neyshabur: Sharpness-Aware Minimization for Efficiently Improving Generalization, ICLR 2021.
    Adaptive (ASAM): Kwon, Kim, Park, Choi: ASAM, ICML 2021. The loss is computed twice for a step, adversarial examples
    included: the second ones attack the climbed weights. BatchNorm's running statistics and the reported loss are the
    first one's. With many devices, all climb along the gradient of the whole batch.
    """

    name = "sam"

    rho: Positive = 0.05
    """How far uphill: the L2 norm of the step, or with `adaptive` of the step divided by the weights' sizes, for which
    values about ten times as large are usual."""
    adaptive: bool = False
    """Whether each weight climbs in proportion to its size (ASAM), so that scaling a layer changes nothing."""

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        """torch's SGD with the climb in front of its step."""
        return SharpnessAwareSGD(
            parameters,
            lr,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
            rho=self.rho,
            adaptive=self.adaptive,
        )


class SharpnessAwareSGD(torch.optim.SGD):
    """SGD whose step climbs first. Its groups and its state are SGD's own, so learning rates and checkpoints work."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, *, rho: float, adaptive: bool, **sgd: Any
    ) -> None:
        super().__init__(parameters, lr, **sgd, fused=True)
        self.rho, self.adaptive = rho, adaptive

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Climb, take the gradient there, come back, and descend; returns the loss before the step.

        Args:
            closure: clears the gradients, computes the loss, calls `backward` and returns the loss. Called twice.
        """
        if closure is None:
            raise ValueError("SAM's step needs a closure that computes the loss and its gradient; it is called twice.")
        with torch.enable_grad():
            loss = closure()
        weights = [weight for group in self.param_groups for weight in group["params"] if weight.grad is not None]
        before = [weight.clone() for weight in weights]
        for weight, climb in zip(weights, self._climbs(weights), strict=True):
            weight.add_(climb)
        try:
            with torch.enable_grad():
                closure()
        finally:
            for weight, old in zip(weights, before, strict=True):
                weight.copy_(old)
        super().step()
        return loss

    def _climbs(self, weights: list[Tensor]) -> list[Tensor]:
        """The step uphill: rho g / |g|, or rho w^2 g / |w g| where adaptive. Stays on the device."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        if not self.adaptive:
            return _scaled(gradients, gradients, self.rho)
        relative = [weight * gradient for weight, gradient in zip(weights, gradients, strict=True)]
        steps = [weight * product for weight, product in zip(weights, relative, strict=True)]
        return _scaled(steps, relative, self.rho)


def _scaled(steps: list[Tensor], measured: list[Tensor], rho: float) -> list[Tensor]:
    """The steps times rho over the norm of all of `measured`; where that is 0, so are the steps."""
    norm = nn.utils.get_total_norm(measured)
    factor = rho / norm.clamp_min(1e-12)
    return [step * factor.to(step.device) for step in steps]
