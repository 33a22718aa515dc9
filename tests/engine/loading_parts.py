"""Examples that are made when they are asked for, as worker processes import them."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from robustkit import Examples, TensorExamples
from robustkit.errors import DataError

ORDER = torch.tensor([5, 1, 20, 7, 3, 11, 2, 23, 0, 9]).split(2)


class Made(Examples):
    """Images of 1x2x2 pixels: their index, twice, and the process that made them, in two bytes."""

    def __init__(self, count=24):
        self.labels, self.class_names = torch.arange(count) % 3, ("a", "b", "c")

    @property
    def image_shape(self):
        return (1, 2, 2)

    @property
    def resident(self):
        return False

    def images(self, indices):
        return self.pixels(indices).float().div_(255)

    def pixels(self, indices):
        process = torch.tensor([os.getpid() // 256 % 256, os.getpid() % 256]).expand(len(indices), 2)
        return torch.cat([indices[:, None].expand(-1, 2), process], 1).to(torch.uint8).view(-1, 1, 2, 2)


class Spoilt(Made):
    """One image cannot be decoded, and one ends the process."""

    spoilt, deadly = 13, 17

    def pixels(self, indices):
        if self.spoilt in indices:
            raise DataError("13.png: cannot be decoded.")
        if self.deadly in indices:
            os._exit(3)
        return super().pixels(indices)


class Unsendable(Made):
    """Holds what cannot be pickled."""

    def __init__(self):
        super().__init__()
        self.opener = lambda: None


class Here(Made):
    """Images tell the working directory: its length."""

    def pixels(self, indices):
        return torch.full((len(indices), 1, 2, 2), len(str(Path.cwd())), dtype=torch.uint8)


def resident(count=24, shape=(3, 4, 4)):
    """uint8 images in memory."""
    images = torch.randint(256, (count, *shape), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return TensorExamples(images, torch.arange(count) % 3, ["a", "b", "c"])


def running(process):
    """Whether a process is there and no zombie, which a container's first process may never bury."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
