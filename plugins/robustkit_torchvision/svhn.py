"""Street View House Numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from robustkit.components.dataset import Split
from robustkit_torchvision.published import Holdings, Published


@dataclass(frozen=True)
class Svhn(Published):
    """SVHN (cropped digits): 73,257 training and 26,032 test photographs of house numbers, 32x32, colour.

    Netzer, Wang, Coates, Bissacco, Wu and Ng, "Reading Digits in Natural Images with Unsupervised Feature Learning",
    2011. The additional "extra" images are not used. The files lie in `root` itself.
    """

    name = "svhn"

    def holdings(self, split: Split) -> Holdings:
        """One file for each split."""
        from torchvision.datasets import SVHN

        url, file, md5 = SVHN.split_list[split]
        return Holdings({file: md5}, {file: url}, lambda folder: SVHN(folder, split, download=True))

    def read(self, root: Path, split: Split) -> tuple[Tensor, Tensor, Sequence[str]]:
        """Images and labels, by torchvision; the digit 0, which the file labels 10, is class 0."""
        from torchvision.datasets import SVHN

        data = SVHN(root, split, download=False)
        return (
            torch.from_numpy(data.data).contiguous(),
            torch.from_numpy(data.labels),
            [str(digit) for digit in range(10)],
        )
