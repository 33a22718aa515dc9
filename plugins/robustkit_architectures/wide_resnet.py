"""WideResNet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from torch import nn

from robustkit import Architecture
from robustkit.components.fields import Decay, PositiveInt
from robustkit.errors import Problem
from robustkit_architectures.layers import ImageShape, check_size, conv3x3
from robustkit_architectures.residual import PreActivationBlock, activation, network


@dataclass(frozen=True)
class WideResNet(Architecture):
    """A pre-activation ResNet with three stages of few, wide blocks, for small images.

    Zagoruyko and Komodakis: Wide Residual Networks, BMVC 2016. `depth` is counted in two ways: 6 n + 4 is the paper's,
    for n blocks a stage; Madry et al. (Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018) count
    6 n + 2, without the convolutions on shortcuts and with the linear layer. So WRN-34-10 and WRN-32-10 (their
    "w32-10") are the same layers here: 5 blocks a stage, 46,160,474 parameters for 10 classes of colour images. Code
    that rounds (32 - 4) / 6 down builds 4 blocks a stage from the name WRN-32-10: that is `depth: 28`.
    """

    name = "wideresnet"

    depth: PositiveInt = 34
    """6 n + 4 (10, 16, 22, 28, 34, ...), the number of convolutions; or 6 n + 2 (8, 14, 20, 26, 32, ...), without those
    on the shortcuts and with the linear layer."""
    width: PositiveInt = 10
    """What the stages' 16, 32 and 64 channels are multiplied by."""
    dropout: Decay = 0.0
    """Share of features dropped between a block's two convolutions, in training."""

    def problems(self) -> Iterable[Problem]:
        """The depth must be a whole number of blocks a stage."""
        if self.depth < 8 or self.depth % 6 not in (2, 4):
            nearest = 6 * max(1, round((self.depth - 4) / 6)) + 4
            yield Problem(
                ("depth",),
                f"expected 6 n + 4 (or 6 n + 2, without the shortcuts) for n blocks a stage, got {self.depth}. "
                f"The nearest depth is {nearest}.",
            )

    @property
    def blocks_in_stage(self) -> int:
        """n: 5 for depths 34 and 32, 4 for 28 and 26."""
        return (self.depth - 2) // 6

    def build(self, num_classes: int, image_shape: ImageShape) -> nn.Module:
        """The network for images of any size from 4x4 up.

        Raises:
            InputError: the images are smaller than that.
        """
        check_size(self.name, image_shape, smallest=4)
        widths = (16, 16 * self.width, 32 * self.width, 64 * self.width)
        block = partial(PreActivationBlock, dropout=self.dropout)
        stem, tail = conv3x3(image_shape[0], widths[0]), activation(widths[-1])
        return network(stem, block, widths, self.blocks_in_stage, tail, num_classes)
