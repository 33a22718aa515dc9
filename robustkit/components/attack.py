"""Attacks: how images are changed, within a budget, to make a model wrong."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from torch import Tensor, nn

from robustkit.components.component import Component

Norm: TypeAlias = Literal["Linf", "L2", "L1"]


@dataclass(frozen=True)
class Budget:
    """How far an attack may move an image: `norm` of the difference at most `eps`, in units of [0, 1] pixels."""

    norm: Norm
    eps: float

    def __str__(self) -> str:
        """`Linf 0.0313725`."""
        return f"{self.norm} {self.eps:.6g}"


@dataclass(frozen=True)
class Attack(Component):
    """Looks for images near the given ones that the model gets wrong.

    Call attacks through `robustkit.perturb`, which freezes the model, checks the result against `budgets` and restores
    everything: an attack itself need not care.
    """

    kind: ClassVar[str] = "attack"

    @property
    @abstractmethod
    def budget(self) -> Budget | None:
        """The promise that `perturb` verifies, or None for an attack that only promises images in [0, 1]."""

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The balls around an image in at least one of which its attacked image lies, as `perturb` verifies.

        By default `budget` alone. An attack in several balls, of several norms, names them here and has no `budget`.
        """
        return () if self.budget is None else (self.budget,)

    @property
    def members(self) -> Mapping[str, Attack]:
        """Of an ensemble, its attacks by name in their order; empty for a single attack.

        An evaluation runs them one after the other, each on the examples that none before it has broken.
        """
        return {}

    @abstractmethod
    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the attacked images.

        Args:
            model: in eval mode with frozen parameters; maps images to logits (N, K). Gradients with respect to images
                are available through `torch.autograd.grad`.
            images: (N, C, H, W), float, in [0, 1]; not to be changed in place.
            labels: (N,), int64, the true classes.

        Returns:
            Images of the same shape and type, in [0, 1] and inside `budget`.
        """
