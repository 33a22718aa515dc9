"""ResNet-18 and PreActResNet-18 in the form used for small images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from robustkit import Architecture
from robustkit_architectures.layers import ImageShape, check_size, conv3x3
from robustkit_architectures.residual import BasicBlock, PreActivationBlock, activation, network

_WIDTHS = (64, 64, 128, 256, 512)


@dataclass(frozen=True)
class ResNet18(Architecture):
    """ResNet-18 with a 3x3 stem of stride 1 and no max-pooling, as is usual on CIFAR: four stages of two basic blocks.

    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016. 11,173,962 parameters for 10 classes
    of colour images; its shortcuts project with a 1x1 convolution and BatchNorm where channels change.
    """

    name = "resnet18"

    def build(self, num_classes: int, image_shape: ImageShape) -> nn.Module:
        """The network for images of any size from 8x8 up.

        Raises:
            InputError: the images are smaller than that.
        """
        check_size(self.name, image_shape, smallest=8)
        stem = nn.Sequential(conv3x3(image_shape[0], _WIDTHS[0]), *activation(_WIDTHS[0]))
        return network(stem, BasicBlock, _WIDTHS, depth=2, tail=nn.Identity(), num_classes=num_classes)


@dataclass(frozen=True)
class PreActResNet18(Architecture):
    """ResNet-18 with BatchNorm and ReLU in front of each convolution and after the last block, for small images.

    He, Zhang, Ren, Sun: Identity Mappings in Deep Residual Networks, ECCV 2016. 11,172,170 parameters for 10 classes of
    colour images. Some widely copied code leaves out the BatchNorm after the last block, and with it 1,024 of these.
    """

    name = "preactresnet18"

    def build(self, num_classes: int, image_shape: ImageShape) -> nn.Module:
        """The network for images of any size from 8x8 up.

        Raises:
            InputError: the images are smaller than that.
        """
        check_size(self.name, image_shape, smallest=8)
        stem, tail = conv3x3(image_shape[0], _WIDTHS[0]), activation(_WIDTHS[-1])
        return network(stem, PreActivationBlock, _WIDTHS, depth=2, tail=tail, num_classes=num_classes)
