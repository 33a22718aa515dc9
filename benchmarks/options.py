"""What the command line says, for every program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Options:
    """How a program is run."""

    quick: bool = False
    """Tiny sizes, to see in seconds that a program works; its figures mean nothing."""
    data: Path | None = None
    """Folder that holds `fashion-mnist/train.npz` and `test.npz`; the digits where there is none."""
    rounds: int | None = None
    """Instead of the program's own number."""
    threads: int = 2
    """CPU threads."""
    device: str = "cpu"
    """`cpu` or `cuda`."""
    networks: tuple[str, ...] = ("resnet18", "small-cnn")
    """Names of cases, for the programs that measure several."""

    def rounds_or(self, usual: int) -> int:
        """The number of rounds."""
        return self.rounds or (2 if self.quick else usual)

    @property
    def where(self) -> torch.device:
        """The device."""
        return torch.device(self.device)
