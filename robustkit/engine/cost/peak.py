"""The measured convolution peak: what achieved FLOP/s are a share of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

SIZES = ((64, 32), (128, 16), (256, 8), (512, 4))
"""Channels, and height and width in pixels, of ResNet-18's four stages on 32x32 images; each costs the same FLOPs."""


def convolution_peak(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s at which the device computes ResNet-18's own 3x3 convolutions and nothing else.

    That is the operations of one convolution of each of the four `SIZES` divided by the sum of their times, the
    fastest of several each: forward, without gradients, as many output as input channels, padding 1, stride 1, without
    bias, channels-last, inputs and weights in `dtype`; a multiplication with its addition counts as two. The batch is
    of 128 images, on a GPU of 1,024, so that launching a kernel takes no part in it. The process's present number of
    threads, allocator and TF32 settings hold. Takes about a second on a CPU.

    A network with better sizes than these (128 to 256 channels throughout) can come out slightly above it.
    """
    rates = convolution_rates(device, dtype)
    return len(rates) / sum(1 / rate for rate in rates.values())


def convolution_rates(device: torch.device, dtype: torch.dtype, seconds: float = 0.8) -> dict[tuple[int, int], float]:
    """FLOP/s for each of `SIZES`, measured for about so many seconds in all, however slow the device at least twice."""
    batch = 1024 if device.type == "cuda" else 128
    with torch.inference_mode(), _fastest_kernels():
        return {size: _rate(*size, batch, device, dtype, seconds / len(SIZES)) for size in SIZES}


def precision_name(dtype: torch.dtype) -> str:
    """`float32`, `bfloat16`, ..."""
    return str(dtype).removeprefix("torch.")


def _rate(channels: int, size: int, batch: int, device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    drawn = torch.Generator(device).manual_seed(0)  # of its own: measuring must not change what a run draws
    shapes = (batch, channels, size, size), (channels, channels, 3, 3)
    images, weight = (
        torch.rand(shape, generator=drawn, device=device).to(dtype, memory_format=torch.channels_last)
        for shape in shapes
    )
    calls = 10 if device.type == "cuda" else 1
    _seconds(images, weight, 2)
    times, began = [_seconds(images, weight, calls)], time.perf_counter()
    while time.perf_counter() - began < seconds and len(times) < 1000:
        times.append(_seconds(images, weight, calls))
    return 2 * batch * (channels * 3 * size) ** 2 / min(times)


def _seconds(images: Tensor, weight: Tensor, calls: int) -> float:
    """Of one call, when so many are asked for in a row."""
    _wait(images.device)
    began = time.perf_counter()
    for _ in range(calls):
        functional.conv2d(images, weight, padding=1)
    _wait(images.device)
    return (time.perf_counter() - began) / calls


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _fastest_kernels() -> Iterator[None]:
    """cuDNN may choose whichever of its kernels is fastest, deterministic or not."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = False, True
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
