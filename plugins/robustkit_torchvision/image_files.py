"""Examples that are decoded from image files when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import get_worker_info

from robustkit import Examples
from robustkit.errors import DataError

THREADS = min(8, os.cpu_count() or 1)
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Pillow's modes of more than 8 bits a channel; it would cut them off, not scale them, on the way to 8."""


class ImageFiles(Examples):
    """Labelled image files, resized and cropped to one size, each decoded when it is asked for.

    A run's worker processes decode them ahead of time; elsewhere a small pool of threads decodes those of a batch.

    Args:
        files: each file with its label.
        class_names: one per class.
        size: height and width of the images.
        channels: 1 or 3.
        cache: keep decoded images, as uint8.

    Raises:
        DataError: where images are read: a file cannot be decoded, with its name; here: the cache does not fit into
            memory.
    """

    def __init__(
        self, files: Sequence[tuple[Path, int]], class_names: Sequence[str], size: int, channels: int, *, cache: bool
    ) -> None:
        self.files = [file for file, _ in files]
        self.labels = torch.tensor([label for _, label in files], dtype=torch.int64)
        self.class_names, self._shape = tuple(class_names), (channels, size, size)
        self._decoded = torch.zeros(len(files), dtype=torch.bool)
        self._pixels = _reserve((len(files), *self._shape)) if cache else None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self._shape

    @property
    def resident(self) -> bool:
        """False: files are decoded."""
        return False

    def images(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices, float32 in [0, 1]."""
        return self.pixels(indices).float().div_(255)

    def pixels(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices, uint8."""
        if self._pixels is None:
            return self._decode(indices)
        fresh = torch.unique(self.missing(indices))
        return self.complete(indices, fresh, self._decode(fresh))

    def missing(self, indices: Tensor) -> Tensor:
        """Those of these indices whose files are not in the cache."""
        return indices if self._pixels is None else indices[~self._decoded[indices]]

    def complete(self, indices: Tensor, missing: Tensor, decoded: Tensor) -> Tensor:
        """The images at these indices, of which the `decoded` are put into the cache."""
        if self._pixels is None:
            return decoded
        self._pixels[missing] = decoded
        self._decoded[missing] = True
        return self._pixels.index_select(0, indices)

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process needs: no cache, which is this process's alone, but Pillow's limit as it is here."""
        return {**vars(self), "_pixels": None, "_limit": Image.MAX_IMAGE_PIXELS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Image.MAX_IMAGE_PIXELS = state.pop("_limit")
        vars(self).update(state)

    def _decode(self, indices: Tensor) -> Tensor:
        chosen = [self.files[index] for index in indices.tolist()]
        channels, size, _ = self._shape
        if not chosen:
            return torch.empty((0, *self._shape), dtype=torch.uint8)
        if get_worker_info() is not None:  # the other cores have workers of their own
            return torch.stack([decode(file, size, channels) for file in chosen])
        with ThreadPoolExecutor(min(THREADS, len(chosen))) as pool:
            return torch.stack(list(pool.map(lambda file: decode(file, size, channels), chosen)))


def decode(file: Path, size: int, channels: int) -> Tensor:
    """An image file as uint8 (channels, size, size): its shorter side resized to `size`, its centre cut out.

    The pixels are those of torchvision's Resize and CenterCrop, without the second that importing torchvision takes.

    Raises:
        DataError: it is missing, damaged, larger than Pillow's limit against decompression bombs, or not of 8 bits.
    """
    try:
        with Image.open(file) as image:
            _check_image(file, image, size)
            image.info.pop("transparency", None)  # it has no part in what follows, and Pillow warns where it is dropped
            square = _square(image.convert("RGB" if channels == 3 else "L"), size)
            pixels = torch.from_numpy(numpy.array(square)).view(size, size, channels)
            return pixels.permute(2, 0, 1).contiguous()
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(_too_large(file)) from error
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them stumble over
        text = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"{file}: cannot be decoded as an image: {type(error).__name__}: {text}.") from error


def _square(image: Image.Image, size: int) -> Image.Image:
    shorter, (width, height) = min(image.size), image.size
    width, height = size * width // shorter, size * height // shorter
    small = image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return small.crop((left, top, left + size, top + size))


def _check_image(file: Path, image: Image.Image, size: int) -> None:
    shorter, longer = sorted(image.size)
    resized = size * size * longer // shorter  # the strip that a very long image becomes before its centre is cut out
    if Image.MAX_IMAGE_PIXELS is not None and max(shorter * longer, resized) > Image.MAX_IMAGE_PIXELS:
        raise DataError(_too_large(file))
    if image.mode in DEEP_MODES:
        raise DataError(f"{file}: has more than 8 bits a channel (mode {image.mode}). Convert it to 8 bits first.")


def _too_large(file: Path) -> str:
    return (
        f"{file}: the image is larger than Pillow's limit of {Image.MAX_IMAGE_PIXELS:,} pixels, which guards against "
        "decompression bombs. Scale it down first."
    )


def _reserve(shape: tuple[int, ...]) -> Tensor:
    try:
        return torch.empty(shape, dtype=torch.uint8)
    except RuntimeError as error:
        size = torch.Size(shape).numel() / 2**30
        raise DataError(
            f"image-folder: {size:.1f} GiB of images do not fit into memory. Set `cache: false`."
        ) from error
