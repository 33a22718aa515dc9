"""A plugin of one file: an architecture whose build gives a ready network, here a defence around trained weights."""

from dataclasses import dataclass

import torch
from torch import nn

from robustkit import Architecture, hookimpl, load_model


class Rounded(nn.Module):
    """Rounds images before the network sees them, so that no gradient comes through."""

    def __init__(self, network: nn.Module, levels: int) -> None:
        super().__init__()
        self.network, self.levels = network, levels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network((images * self.levels).round() / self.levels)


@dataclass(frozen=True)
class RoundedDefence(Architecture):
    """A trained network behind rounding."""

    name = "rounded"

    weights: str
    """The weights file."""
    levels: int = 4
    """Of each pixel, less one."""

    def build(self, num_classes: int, image_shape: tuple[int, int, int]) -> nn.Module:
        return Rounded(load_model(self.weights), self.levels)


@hookimpl
def register_architectures() -> list[type[Architecture]]:
    """The defence."""
    return [RoundedDefence]
