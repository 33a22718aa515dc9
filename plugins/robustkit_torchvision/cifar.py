"""CIFAR-10 and CIFAR-100."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustkit.components.dataset import Split
from robustkit_torchvision.published import Holdings, Published


@dataclass(frozen=True)
class Cifar10(Published):
    """CIFAR-10: 50,000 training and 10,000 test photographs of ten kinds of things, 32x32, colour.

    Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The published files are pickles:
    torchvision compares each with its published MD5 first, so nothing but those very files is ever unpickled. They lie
    in `root`/cifar-10-batches-py.
    """

    name = "cifar10"

    def holdings(self, split: Split) -> Holdings:
        """The batches of both splits and the class names, from one archive."""
        kind = self._torchvision()
        meta = (kind.meta["filename"], kind.meta["md5"])
        files = {f"{kind.base_folder}/{file}": md5 for file, md5 in [*kind.train_list, *kind.test_list, meta]}
        archives = {kind.filename: kind.url}
        return Holdings(files, archives, lambda folder: kind(folder, download=True))

    def read(self, root: Path, split: Split) -> tuple[Tensor, Tensor, Sequence[str]]:
        """Images, labels and class names, by torchvision."""
        data = self._torchvision()(root, train=split == "train", download=False)
        return torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(data.targets), data.classes

    def _torchvision(self) -> Any:
        from torchvision.datasets import CIFAR10

        return CIFAR10


@dataclass(frozen=True)
class Cifar100(Cifar10):
    """CIFAR-100: 50,000 training and 10,000 test photographs of a hundred kinds of things (fine labels), 32x32, colour.

    Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Checked before it is unpickled, as
    CIFAR-10. The files lie in `root`/cifar-100-python.
    """

    name = "cifar100"

    def _torchvision(self) -> Any:
        from torchvision.datasets import CIFAR100

        return CIFAR100
