"""Images of stripes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from robustkit import Dataset, Examples, TensorExamples
from robustkit.components.fields import PositiveInt, Share


@dataclass(frozen=True)
class Stripes(Dataset):
    """Grey images of horizontal or vertical stripes under noise: two classes that any network can learn."""

    name = "stripes"

    size: PositiveInt = 8
    """Height and width, in pixels."""
    examples: PositiveInt = 96
    """Images in each split."""
    noise: Share = 0.2
    """Largest change that noise makes to a pixel."""

    def load(self, split: Literal["train", "test"]) -> Examples:
        """Return the images of a split; the two splits have other noise."""
        generator = torch.Generator().manual_seed(0 if split == "train" else 1)
        labels = torch.arange(self.examples) % 2
        line = (torch.arange(self.size) % 2).float() * 0.5 + 0.25
        stripes = torch.stack([line.expand(self.size, -1).T, line.expand(self.size, -1)])
        noise = torch.rand(self.examples, self.size, self.size, generator=generator) * 2 - 1
        images = (stripes[labels] + self.noise * noise).clamp(0, 1)
        return TensorExamples(images.unsqueeze(1), labels, class_names=("horizontal", "vertical"))
