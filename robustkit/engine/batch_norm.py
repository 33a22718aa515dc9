"""BatchNorm statistics: recomputed for weights that no network was trained with, or held still for a second look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from robustkit.attacking.isolation import modes_restored


@torch.no_grad()
def recompute_batch_norm(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace running means and variances by their averages over these batches (Izmailov et al. 2018, section 3.2).

    Every batch counts alike; batch counters (`num_batches_tracked`) and modes are left as they were.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]
    if not layers:
        return
    with modes_restored(model), _with_momentum(layers, None):  # None makes torch keep the plain average
        model.eval()
        for layer in layers:
            layer.reset_running_stats()
            layer.training = True
        for images in batches:
            model(images)


@contextmanager
def held_batch_norm(model: nn.Module, *, hold: bool) -> Iterator[None]:
    """Within it, forwards in train mode leave running statistics alone; does nothing unless `hold`."""
    layers = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)] if hold else []
    with _with_momentum(layers, 0.0):
        yield


@contextmanager
def _with_momentum(layers: list[_BatchNorm], momentum: float | None) -> Iterator[None]:
    """Give the layers another momentum for a while; their own, and their batch counters, are as before afterwards."""
    before = [
        (layer, layer.momentum, None if layer.num_batches_tracked is None else layer.num_batches_tracked.clone())
        for layer in layers
    ]
    try:
        for layer in layers:
            layer.momentum = momentum
        yield
    finally:
        for layer, own, counted in before:
            layer.momentum = own
            if counted is not None and layer.num_batches_tracked is not None:
                layer.num_batches_tracked.copy_(counted)
