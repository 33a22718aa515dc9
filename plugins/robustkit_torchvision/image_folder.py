"""Folders of image files, one folder a class."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from robustkit import Dataset, Examples
from robustkit.components.dataset import Split
from robustkit.components.fields import PositiveInt
from robustkit.errors import DataError
from robustkit_torchvision.image_files import ImageFiles

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """Image files in `root`/train/CLASS/... and `root`/test/CLASS/..., as torchvision's ImageFolder has them.

    Each image is resized so that its shorter side is `image_size`, and its centre is cut out. Classes and files are
    sorted by name. Names that start with a dot are passed over; EXIF rotation is not applied.
    """

    name = "image-folder"

    root: str
    """Folder of the two splits; starts at the working directory, `~` is the home folder."""
    image_size: PositiveInt
    """Height and width of the images, in pixels."""
    train: str = "train"
    """Subfolder of the training images."""
    test: str = "test"
    """Subfolder of the test images."""
    channels: Literal[1, 3] = 3
    """3: colour, gray images become colour; 1: gray, colour images become gray."""
    cache: bool = True
    """Keep images in memory once they are decoded, as channels * image_size^2 bytes each; false: decode every time."""

    def load(self, split: Split) -> Examples:
        """All images of a split, which are decoded when they are asked for."""
        try:
            return self._load(self._folder(split), self._folder("test" if split == "train" else "train"))
        except OSError as error:
            raise DataError(f"{self._folder(split)}: cannot be listed: {error}.") from error

    def _load(self, folder: Path, other: Path) -> Examples:
        classes = _classes(folder)
        if other.is_dir():  # a network can be evaluated where the training images are not
            _check_same(folder, classes, other, _classes(other))
        files = [(file, label) for label, name in enumerate(classes) for file in _image_files(folder / name)]
        return ImageFiles(files, classes, self.image_size, self.channels, cache=self.cache)

    def _folder(self, split: Split) -> Path:
        return Path(self.root).expanduser() / (self.train if split == "train" else self.test)


def _classes(folder: Path) -> list[str]:
    """The class folders, sorted by name."""
    if not folder.is_dir():
        raise DataError(
            f"{folder.absolute()}: there is no such folder. It should hold one folder of images for each class."
        )
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not names:
        raise DataError(f"{folder}: has no folders. Expected one folder of images for each class in it.")
    return names


def _check_same(folder: Path, classes: list[str], other: Path, other_classes: list[str]) -> None:
    if classes != other_classes:
        only = [
            f"only in {place}: {', '.join(sorted(names))}"
            for place, names in (
                (folder, set(classes) - set(other_classes)),
                (other, set(other_classes) - set(classes)),
            )
            if names
        ]
        raise DataError(f"the class folders of both splits must be the same; {'; '.join(only)}.")


def _image_files(folder: Path) -> list[Path]:
    """The image files in a class folder and below, sorted by their path."""
    found: list[Path] = []
    others: Counter[str] = Counter()
    for place, subfolders, names in os.walk(folder, onerror=_raise, followlinks=True):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for file in (Path(place, name) for name in names if not name.startswith(".")):
            if file.suffix.lower() in SUFFIXES:
                found.append(file)
            else:
                others[file.suffix or file.name] += 1
    if not found:
        holds = f" It holds {', '.join(f'{count} {kind}' for kind, count in sorted(others.items()))}." if others else ""
        raise DataError(
            f"{folder}: has no images ({', '.join(SUFFIXES)}).{holds} Remove the class, or put images there."
        )
    return sorted(found, key=lambda file: file.relative_to(folder).as_posix())


def _raise(error: OSError) -> None:
    raise error
