"""Residual blocks, and networks of stages of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional

from robustkit_architectures.layers import conv1x1, conv3x3, initialized

Block = Callable[[int, int, int], nn.Module]
"""Makes a block from its number of input channels, output channels and stride."""


class BasicBlock(nn.Module):
    """conv-BN-ReLU-conv-BN beside a shortcut, then ReLU (He et al. 2016a, figure 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv3x3(outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, outputs, H / stride, W / stride)."""
        inner = functional.relu(self.bn1(self.conv1(images)))
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(images))


class PreActivationBlock(nn.Module):
    """BN-ReLU-conv, twice, beside a shortcut (He et al. 2016b); dropout between the two in WideResNets.

    Where the block changes channels or size, the shortcut projects the input after its BN-ReLU, as is usual.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv3x3(inputs, outputs, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv3x3(outputs, outputs)
        self.dropout = nn.Dropout(dropout)
        self.shortcut = conv1x1(inputs, outputs, stride) if stride != 1 or inputs != outputs else None

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, outputs, H / stride, W / stride)."""
        activated = functional.relu(self.bn1(images))
        kept = images if self.shortcut is None else self.shortcut(activated)
        inner = functional.relu(self.bn2(self.conv1(activated)))
        return kept + self.conv2(self.dropout(inner))  # type: ignore[no-any-return]


def network(
    stem: nn.Module, block: Block, widths: Sequence[int], depth: int, tail: nn.Module, num_classes: int
) -> nn.Sequential:
    """A stem, stages of `depth` blocks, a tail, global average pooling and a linear layer.

    Args:
        stem: maps images to `widths[0]` channels.
        block: makes one block.
        widths: the stem's channels, then each stage's; every stage but the first halves the image.
        depth: blocks in a stage.
        tail: what follows the last stage, before pooling.
        num_classes: outputs of the linear layer.
    """
    layers = OrderedDict[str, nn.Module](stem=stem)
    for number, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False), 1):
        first = block(inputs, outputs, 1 if number == 1 else 2)
        layers[f"stage{number}"] = nn.Sequential(first, *(block(outputs, outputs, 1) for _ in range(depth - 1)))
    layers.update(tail=tail, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
    layers.update(classifier=nn.Linear(widths[-1], num_classes))
    return initialized(nn.Sequential(layers))


def activation(channels: int) -> nn.Sequential:
    """BatchNorm and ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
