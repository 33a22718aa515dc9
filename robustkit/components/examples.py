"""Labelled images as the engine reads them: by index, as float images in [0, 1]."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from robustkit.errors import DataError


class Examples(ABC):
    """Labelled images of one shape. `labels` are there at once; images may be decoded when asked for.

    To decode on demand, return False as `resident` and give `pixels`; `missing` and `complete` too where decoded images
    are kept. Reading an image must depend on nothing but its index. A run's worker processes get a pickled copy.
    """

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

    @property
    def resident(self) -> bool:
        """Whether all images lie in memory on the labels' device, so that reading them is a look-up there.

        A run's worker processes decode those of other examples ahead of time.
        """
        return True

    def pixels(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices as they are stored: uint8 (0 to 255), or float in [0, 1]."""
        return self.images(indices)

    def missing(self, indices: Tensor) -> Tensor:
        """Those of these indices (n,) whose images would have to be decoded now."""
        return indices[:0] if self.resident else indices

    def complete(self, indices: Tensor, missing: Tensor, decoded: Tensor) -> Tensor:
        """What `pixels` gives, made with the images of the `missing` indices, which another process has `decoded`.

        Examples that keep decoded images keep these. For those that keep none, all indices are missing.
        """
        return decoded

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
        self.labels, self.class_names = whole.labels.index_select(0, self.indices), whole.class_names

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.whole.image_shape

    def images(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices of the subset."""
        return self.whole.images(self._there(indices))

    @property
    def resident(self) -> bool:
        """As the whole."""
        return self.whole.resident

    def pixels(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices of the subset, as the whole stores them."""
        return self.whole.pixels(self._there(indices))

    def missing(self, indices: Tensor) -> Tensor:
        """Those of these indices (n,) of the subset whose images would have to be decoded now."""
        if self.resident:
            return indices[:0]
        there = self._there(indices)
        return indices[torch.isin(there, self.whole.missing(there))]

    def complete(self, indices: Tensor, missing: Tensor, decoded: Tensor) -> Tensor:
        """What `pixels` gives, made with the images of the `missing` indices, which another process has `decoded`."""
        return self.whole.complete(self._there(indices), self._there(missing), decoded)

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device."""
        return Subset(self.whole.to(device), self.indices)

    def subset(self, indices: Tensor) -> Examples:
        """The examples at these indices of the subset, looked up in the whole at once."""
        return Subset(self.whole, self._there(indices.to(self.indices.device)))

    def _there(self, indices: Tensor) -> Tensor:
        """Where in the whole these indices of the subset are."""
        return self.indices.index_select(0, indices)


class TensorExamples(Examples):
    """Images held in one tensor, uint8 (0 to 255) or float ([0, 1]), and kept so on any device.

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
        self._images = images.contiguous()  # gathering is ten times slower from other layouts
        self.labels, self.class_names = labels.long(), tuple(class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self._images.shape[1], self._images.shape[2], self._images.shape[3])

    def images(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices, float32 in [0, 1]."""
        return as_floats(self.pixels(indices))

    def pixels(self, indices: Tensor) -> Tensor:
        """The images (n, *image_shape) at these indices, as they are stored."""
        return self._images.index_select(0, indices)

    def to(self, device: torch.device) -> Examples:
        """The same examples, whole, on a device."""
        moved = copy.copy(self)  # they were checked when they were made
        moved._images, moved.labels = self._images.to(device), self.labels.to(device)
        return moved


def as_floats(pixels: Tensor) -> Tensor:
    """Stored images, uint8 (0 to 255) or float ([0, 1]), as float32 in [0, 1], on the device they are on."""
    return torch.div(pixels, 255) if pixels.dtype == torch.uint8 else pixels.float()


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
