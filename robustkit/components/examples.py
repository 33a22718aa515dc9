"""Labelled images as the engine reads them: by index, as float images in [0, 1]."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from robustkit.errors import DataError


class Examples(ABC):
    """Labelled images of one shape. `labels` are there at once; images may be decoded when asked for."""

    labels: Tensor
    """(N,), int64, 0 to `num_classes` - 1."""
    class_names: tuple[str, ...]

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""

    @abstractmethod
    def images(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices (n,), float32 in [0, 1], on the labels' device."""

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """The number of classes, also of those without an example."""
        return len(self.class_names)

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device; those that decode on demand stay where they are."""
        return self

    def subset(self, indices: Tensor) -> Examples:
        """The examples at these indices, sharing the images' memory where possible."""
        return Subset(self, indices)


class Subset(Examples):
    """Some of another collection's examples."""

    def __init__(self, whole: Examples, indices: Tensor) -> None:
        self.whole, self.indices = whole, indices.to(whole.labels.device)
        self.labels, self.class_names = whole.labels[self.indices], whole.class_names

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.whole.image_shape

    def images(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices of the subset."""
        return self.whole.images(self.indices[indices])

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device."""
        return Subset(self.whole.to(device), self.indices)


class TensorExamples(Examples):
    """Images held in one tensor, uint8 (0 to 255) or float ([0, 1]).

    Args:
        images: (N, C, H, W), uint8 or floating point.
        labels: (N,), any integer type, 0 to len(class_names) - 1.
        class_names: one per class.
        origin: where the data came from, for error messages.

    Raises:
        DataError: shapes, types or ranges are not these; the message says what was found.
    """

    def __init__(self, images: Tensor, labels: Tensor, class_names: Sequence[str], origin: str = "images") -> None:
        _check(images, labels, len(class_names), origin)
        self._images, self.labels, self.class_names = images, labels.long(), tuple(class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self._images.shape[1], self._images.shape[2], self._images.shape[3])

    def images(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices, float32 in [0, 1]."""
        chosen = self._images[indices]
        return chosen.float().div_(255) if chosen.dtype == torch.uint8 else chosen.float()

    def to(self, device: torch.device) -> Examples:
        """The same examples, whole, on a device."""
        return TensorExamples(self._images.to(device), self.labels.to(device), self.class_names)


def _check(images: Tensor, labels: Tensor, classes: int, origin: str) -> None:
    if images.ndim != 4 or not (images.dtype == torch.uint8 or images.is_floating_point()):
        shape = f"{images.dtype} of shape {tuple(images.shape)}"
        raise DataError(f"{origin}: expected images (N, C, H, W) as uint8 or float, got {shape}.")
    whole = not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)
    if labels.ndim != 1 or len(labels) != len(images) or not whole:
        shape = f"{labels.dtype} of shape {tuple(labels.shape)}"
        raise DataError(f"{origin}: expected {len(images)} whole-number labels, one an image, got {shape}.")
    if len(images) == 0:
        raise DataError(f"{origin}: there are no images.")
    if images.is_floating_point():
        _check_pixels(images, origin)
    least, most = (int(value) for value in torch.aminmax(labels.long()))
    if least < 0 or most >= classes:
        raise DataError(f"{origin}: expected labels 0 to {classes - 1}, got {least} to {most}.")


def _check_pixels(images: Tensor, origin: str) -> None:
    low, high = (float(value) for value in torch.aminmax(images))
    if low >= 0.0 and high <= 1.0:
        return
    if math.isnan(low) or math.isinf(high - low):
        raise DataError(f"{origin}: expected float images in [0, 1], but some values are NaN or infinite.")
    way_out = "Divide them by 255." if low >= 0.0 else "Undo their normalization: it belongs in the recipe."
    raise DataError(f"{origin}: expected float images in [0, 1], got values from {low:.9g} to {high:.9g}. {way_out}")
