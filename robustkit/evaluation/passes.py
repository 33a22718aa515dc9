"""Counting what goes through a network."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Counted(nn.Module):
    """A network, and counts of what goes through it.

    A module around the network and no hook on it: attacks that look at how a network is made (Square, for one) do less
    for one that somebody listens to.

    Args:
        model: the network; of one that `torch.compile` wrapped, the network itself, as attacks use it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: nn.Module = getattr(model, "_orig_mod", model)
        self.forwards = 0
        """Images that went through."""
        self.backwards = 0
        """Images whose gradients came back."""

    def forward(self, images: Tensor) -> Any:
        """What the network gives."""
        logits = self.model(images)
        size = len(images)
        self.forwards += size
        if isinstance(logits, Tensor) and logits.requires_grad:

            def went_back(_gradient: Tensor) -> None:
                self.backwards += size

            logits.register_hook(went_back)  # type: ignore[no-untyped-call]
        return logits
