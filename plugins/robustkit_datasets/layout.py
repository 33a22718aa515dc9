"""The order of an image array's axes, and its values: from what people save to (N, C, H, W)."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from robustkit.errors import DataError

Layout: TypeAlias = Literal["auto", "NHW", "NHWC", "NCHW"]

CHANNELS = range(1, 5)
NOISE = 1e-6
"""What resizing and other arithmetic may add to a pixel of 0 or 1."""


def resolve(shape: tuple[int, ...], layout: Layout, origin: str) -> Layout:
    """The layout that `auto` stands for, or the given one where the shape has it.

    Raises:
        DataError: the shape has no such layout, or more than one.
    """
    fitting = [name for name in _fitting(shape) if layout in ("auto", name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DataError(
            f"{origin}: images of shape {shape} can be channels first or channels last. "
            "Say which with `layout: NCHW` or `layout: NHWC`."
        )
    wanted = {
        "auto": "(N, H, W), (N, H, W, C) or (N, C, H, W)",
        "NHW": "(N, H, W)",
        "NHWC": "(N, H, W, C)",
        "NCHW": "(N, C, H, W)",
    }[layout]
    raise DataError(f"{origin}: expected images of shape {wanted} with 1 to 4 channels C, got {shape}.")


def image_shape(shape: tuple[int, ...], layout: Layout, origin: str) -> tuple[int, int, int]:
    """(channels, height, width) of an image array of this shape."""
    resolved = resolve(shape, layout, origin)
    if resolved == "NHW":
        return (1, shape[1], shape[2])
    return (shape[3], shape[1], shape[2]) if resolved == "NHWC" else (shape[1], shape[2], shape[3])


def arrange(images: Tensor, layout: Layout, origin: str) -> Tensor:
    """The images as (N, C, H, W), uint8 or float of at most 32 bits.

    Raises:
        DataError: shape, type or values are not those of images.
    """
    resolved = resolve(tuple(images.shape), layout, origin)
    if images.dtype != torch.uint8 and not images.is_floating_point():
        name = str(images.dtype).removeprefix("torch.")
        raise DataError(
            f"{origin}: expected uint8 (0 to 255) or float ([0, 1]) images, got {name}. "
            "Save pixels of 0 to 255 with `.astype('uint8')`."
        )
    if images.dtype == torch.uint8 and images.numel() and int(images.max()) == 1:
        raise DataError(
            f"{origin}: uint8 images must use 0 to 255, the largest value here is 1. "
            "Save images of 0 and 1 as float, or multiply them by 255."
        )
    if resolved == "NHW":
        images = images.unsqueeze(1)
    elif resolved == "NHWC":
        images = images.permute(0, 3, 1, 2)
    images = (images.float() if images.dtype == torch.float64 else images).contiguous()
    return without_noise(images) if images.is_floating_point() and images.numel() else images


def without_noise(images: Tensor) -> Tensor:
    """Float images that leave [0, 1] by no more than float noise, brought inside; all others as they are."""
    low, high = (float(value) for value in torch.aminmax(images))
    noisy = (low < 0.0 or high > 1.0) and low >= -NOISE and high <= 1.0 + NOISE
    return images.clamp(0.0, 1.0) if noisy else images


def _fitting(shape: tuple[int, ...]) -> list[Layout]:
    if len(shape) == 3:
        return ["NHW"] if min(shape[1:]) > 0 else []
    if len(shape) != 4 or min(shape[1:]) == 0:
        return []
    last: list[Layout] = ["NHWC"] if shape[3] in CHANNELS else []
    first: list[Layout] = ["NCHW"] if shape[1] in CHANNELS else []
    return last + first
