"""The smallest network and batch that show what a component does."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def tiny_model(
    num_classes: int = 10, channels: int = 3, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """Return a convolution, BatchNorm, ReLU, pooling to 2 x 2 and a linear layer, in train mode.

    It maps images (N, channels, H, W), H and W at least 2, to logits (N, num_classes). Equal seeds give equal weights;
    the global random generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [
            nn.Conv2d(channels, 8, kernel_size=3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, num_classes),
        ]
    return nn.Sequential(*layers).to(dtype)


def tiny_batch(
    size: int = 8,
    *,
    num_classes: int = 10,
    image_shape: tuple[int, int, int] = (3, 8, 8),
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Return random images (size, *image_shape) in [0, 1] and labels (size,), int64, that go round the classes."""
    images = torch.rand(size, *image_shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return images, torch.arange(size) % num_classes
