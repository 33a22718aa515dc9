"""Examples that are decoded from image files when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from robustkit import Examples
from robustkit.errors import DataError

THREADS = min(8, os.cpu_count() or 1)
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
"""Pillow's modes of more than 8 bits a channel; it would cut them off, not scale them, on the way to 8."""


class ImageFiles(Examples):
    """Labelled image files, resized and cropped to one size; a small pool of threads decodes those of a batch.

    Args:
        files: each file with its label.
        class_names: one per class.
        size: height and width of the images.
        channels: 1 or 3.
        cache: keep decoded images, as uint8.

    Raises:
        DataError: by `images`: a file cannot be decoded, with its name; here: the cache does not fit into memory.
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

    def images(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices, float32 in [0, 1]."""
        if self._pixels is None:
            return self._decode(indices).float().div_(255)
        fresh = torch.tensor(sorted({i for i in indices.tolist() if not self._decoded[i]}), dtype=torch.int64)
        if len(fresh):
            self._pixels[fresh] = self._decode(fresh)
            self._decoded[fresh] = True
        return self._pixels[indices].float().div_(255)

    def _decode(self, indices: Tensor) -> Tensor:
        chosen = [self.files[index] for index in indices.tolist()]
        channels, size, _ = self._shape
        if not chosen:
            return torch.empty((0, *self._shape), dtype=torch.uint8)
        with ThreadPoolExecutor(min(THREADS, len(chosen))) as pool:
            return torch.stack(list(pool.map(lambda file: decode(file, size, channels), chosen)))


def decode(file: Path, size: int, channels: int) -> Tensor:
    """An image file as uint8 (channels, size, size): its shorter side resized to `size`, its centre cut out.

    Raises:
        DataError: it is missing, damaged, larger than Pillow's limit against decompression bombs, or not of 8 bits.
    """
    from torchvision.transforms import functional

    try:
        with Image.open(file) as image:
            _check_image(file, image, size)
            image.info.pop("transparency", None)  # it has no part in what follows, and Pillow warns where it is dropped
            small = functional.resize(image.convert("RGB" if channels == 3 else "L"), size)
            pixels: Tensor = functional.pil_to_tensor(functional.center_crop(small, size))
            return pixels
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(_too_large(file)) from error
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them stumble over
        text = " ".join(str(error).split()).rstrip(".")
        raise DataError(f"{file}: cannot be decoded as an image: {type(error).__name__}: {text}.") from error


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
