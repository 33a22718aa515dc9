"""What the networks have in common: their convolutions, how weights are drawn, and which images are too small."""

from __future__ import annotations

from torch import nn

from robustkit.errors import InputError

ImageShape = tuple[int, int, int]


def conv3x3(inputs: int, outputs: int, stride: int = 1, *, bias: bool = False) -> nn.Conv2d:
    """A 3x3 convolution with padding 1; without bias, because BatchNorm follows."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=bias)


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """The projection on a shortcut whose block changes the number of channels or the size."""
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


def initialized(network: nn.Sequential) -> nn.Sequential:
    """Draw every convolution's weights anew: He normal, variance 2 / fan-out (He et al. 2015); its bias becomes 0.

    BatchNorm starts at 1 and 0 and linear layers as torch draws them.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def check_size(name: str, image_shape: ImageShape, smallest: int) -> None:
    """Refuse images on which the last layers would see nothing but padding.

    Raises:
        InputError: names the smallest size.
    """
    channels, height, width = image_shape
    if channels < 1 or min(height, width) < smallest:
        raise InputError(
            f"architecture {name!r} takes images of at least {smallest}x{smallest} pixels and one channel, "
            f"got {height}x{width} with {channels} (height x width with channels)."
        )
