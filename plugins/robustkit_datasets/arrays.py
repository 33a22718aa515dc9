"""Anyone's own images and labels, from array files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from robustkit import Dataset, Examples, TensorExamples
from robustkit.components.dataset import Split
from robustkit.errors import DataError, Problem
from robustkit_datasets.array_file import SUFFIXES, ArrayFile
from robustkit_datasets.labels import check_labels, class_count
from robustkit_datasets.layout import Layout, arrange, image_shape


@dataclass(frozen=True)
class Arrays(Dataset):
    """Your own images and labels from `.npz`, `.safetensors` or `.npy` files, held in memory.

    Images are uint8 (0 to 255) or float ([0, 1]), gray or with 1 to 4 channels; labels are integers from 0 on, one an
    image. Nothing in a file is unpickled. Paths start at the working directory; `~` is the home folder.
    """

    name = "arrays"

    train: str
    """File of the training images: `.npz` or `.safetensors`, with their labels, or `.npy`."""
    test: str
    """File of the test images, as `train`."""
    train_labels: str | None = None
    """File of the training labels (`.npy`), where `train` is a `.npy` file."""
    test_labels: str | None = None
    """File of the test labels (`.npy`), where `test` is a `.npy` file."""
    images_key: str = "images"
    """Name of the images in a `.npz` or `.safetensors` file."""
    labels_key: str = "labels"
    """Name of the labels in a `.npz` or `.safetensors` file."""
    layout: Layout = "auto"
    """Order of the images' axes; `auto` tells it from the shape: an axis of 1 to 4 is the channels."""
    class_names: tuple[str, ...] | None = None
    """One name a class, in the labels' order; null: '0', '1', ... up to the largest label of both splits."""

    def problems(self) -> Iterable[Problem]:
        """The files' kinds decide where the labels are."""
        for split in ("train", "test"):
            yield from self._file_problems(split)
        if self.images_key == self.labels_key:
            yield Problem(("labels_key",), f"expected another name than images_key, got {self.labels_key!r} for both.")
        names = self.class_names
        if names is not None and (len(names) == 0 or len(set(names)) < len(names)):
            yield Problem(("class_names",), f"expected at least one name, none of them twice, got {list(names)}.")

    def _file_problems(self, split: str) -> Iterable[Problem]:
        images, labels = getattr(self, split), getattr(self, f"{split}_labels")
        suffix = Path(images).suffix
        if suffix not in SUFFIXES:
            yield Problem((split,), f"expected a file that ends in {' or '.join(SUFFIXES)}, got {images!r}.")
        elif suffix == ".npy" and labels is None:
            text = f"a .npy file holds the images only: give its labels' file as {split}_labels."
            yield Problem((split,), text)
        elif suffix != ".npy" and labels is not None:
            text = f"a {suffix} file holds its own labels (labels_key): leave {split}_labels out."
            yield Problem((f"{split}_labels",), text)
        elif labels is not None and Path(labels).suffix != ".npy":
            yield Problem((f"{split}_labels",), f"expected a file that ends in .npy, got {labels!r}.")

    def load(self, split: Split) -> Examples:
        """All examples of a split, in the file's order."""
        images, labels = self._images(split), self._labels(split)
        other: Split = "test" if split == "train" else "train"
        given = check_labels(labels.read(), str(labels))
        names = self.class_names or self._class_names(given, other)
        self._check_same_shape(images, self._images(other))
        pixels = arrange(images.read(), self.layout, str(images))
        origin = str(images.path) if labels.path == images.path else f"{images.path} with {labels.path}"
        return TensorExamples(pixels, given, names, origin=origin)

    def _images(self, split: Split) -> ArrayFile:
        path = Path(self.train if split == "train" else self.test).expanduser()
        return ArrayFile(path, "" if path.suffix == ".npy" else self.images_key)

    def _labels(self, split: Split) -> ArrayFile:
        separate = self.train_labels if split == "train" else self.test_labels
        if separate is not None:
            return ArrayFile(Path(separate).expanduser())
        return ArrayFile(self._images(split).path, self.labels_key)

    def _class_names(self, given: Tensor, other: Split) -> list[str]:
        """Both splits count: a class may be missing from one of them."""
        file = self._labels(other)
        labels = torch.cat([given, check_labels(file.read(), str(file))])
        first, second = sorted([str(self._labels("train").path), str(self._labels("test").path)])
        return [str(number) for number in range(class_count(labels, f"{first} and {second}"))]

    def _check_same_shape(self, images: ArrayFile, other: ArrayFile) -> None:
        if self.class_names is not None and not other.path.exists():
            return  # with named classes one split can be used alone, as where a network is only evaluated
        here = image_shape(images.shape(), self.layout, str(images))
        there = image_shape(other.shape(), self.layout, str(other))
        if here != there:
            raise DataError(
                f"{images.path}: images of shape {here} (channels, height, width), "
                f"but those of {other.path} have {there}. Both splits must have one shape."
            )
