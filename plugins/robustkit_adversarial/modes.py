"""A look at the network as it is deployed, in the middle of a training step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def looking(model: nn.Module) -> Iterator[None]:
    """Within it, every module is in eval mode and no gradients are kept; each gets its own mode back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode
