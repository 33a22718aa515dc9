"""MNIST and the set in its format."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustkit.components.dataset import Split
from robustkit.errors import DataError
from robustkit_torchvision.published import Holdings, Published


@dataclass(frozen=True)
class Mnist(Published):
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28, gray.

    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of the
    IEEE, 1998. Its four files lie in `root`/MNIST/raw.
    """

    name = "mnist"

    def holdings(self, split: Split) -> Holdings:
        """Four files, each published on its own."""
        kind = self._torchvision()
        archives = {f"{kind.__name__}/raw/{file}": kind.mirrors[0] + file for file, _ in kind.resources}
        files = dict.fromkeys(archive.removesuffix(".gz") for archive in archives)
        return Holdings(files, archives, lambda folder: kind(folder, download=True))

    def read(self, root: Path, split: Split) -> tuple[Tensor, Tensor, Sequence[str]]:
        """Images and labels of a split from their two files."""
        kind = self._torchvision()
        prefix = root / kind.__name__ / "raw" / ("train" if split == "train" else "t10k")
        images = read_idx(prefix.with_name(f"{prefix.name}-images-idx3-ubyte"), dimensions=3)
        labels = read_idx(prefix.with_name(f"{prefix.name}-labels-idx1-ubyte"), dimensions=1)
        return images.unsqueeze(1), labels, kind.classes

    def _torchvision(self) -> Any:
        from torchvision.datasets import MNIST

        return MNIST


@dataclass(frozen=True)
class FashionMnist(Mnist):
    """Fashion-MNIST: 60,000 training and 10,000 test images of ten kinds of clothing, 28x28, gray.

    Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", 2017.
    Its four files lie in `root`/FashionMNIST/raw.
    """

    name = "fashion-mnist"

    def _torchvision(self) -> Any:
        from torchvision.datasets import FashionMNIST

        return FashionMNIST


def read_idx(path: Path, *, dimensions: int) -> Tensor:
    """The bytes of an IDX file as a tensor of its shape.

    Its unpacked form has no published checksum, so header and length are checked here.

    Raises:
        DataError: the file is no IDX file of bytes with so many dimensions, or is cut short.
    """
    content = bytearray(path.read_bytes())
    start = 4 * (dimensions + 1)
    if len(content) < start or content[:4] != bytes([0, 0, 8, dimensions]):
        raise DataError(
            f"{path}: no IDX file of bytes in {dimensions} dimensions. Remove it to have it downloaded again."
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) != start + math.prod(shape) or len(content) == start:
        raise DataError(
            f"{path}: damaged: its header promises {start + math.prod(shape):,} bytes, there are {len(content):,}. "
            "Remove it to have it downloaded again."
        )
    return torch.frombuffer(content, dtype=torch.uint8, offset=start).view(shape)
