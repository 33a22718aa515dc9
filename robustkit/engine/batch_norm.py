"""BatchNorm statistics: recomputed for weights that no network was trained with, or held still for a second look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def recompute_batch_norm(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace running means and variances by their averages over these batches (Izmailov et al. 2018, section 3.2).

    Every batch counts alike; batch counters (`num_batches_tracked`) and modes are left as they were.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]
    if not layers:
        return
    before = [(layer.momentum, _copied(layer.num_batches_tracked)) for layer in layers]
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum, layer.training = None, True  # None makes torch keep the plain average
    for images in batches:
        model(images)
    for layer, (momentum, counted) in zip(layers, before, strict=True):
        layer.momentum = momentum
        if counted is not None and layer.num_batches_tracked is not None:
            layer.num_batches_tracked.copy_(counted)
    for module, mode in modes:
        module.training = mode


@contextmanager
def held_batch_norm(model: nn.Module, *, hold: bool) -> Iterator[None]:
    """Within it, forwards in train mode leave running statistics alone; does nothing unless `hold`."""
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)] if hold else []
    before = [(layer.momentum, _copied(layer.num_batches_tracked)) for layer in layers]
    try:
        for layer in layers:
            layer.momentum = 0.0
        yield
    finally:
        for layer, (momentum, counted) in zip(layers, before, strict=True):
            layer.momentum = momentum
            if counted is not None and layer.num_batches_tracked is not None:
                layer.num_batches_tracked.copy_(counted)


def _copied(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()
