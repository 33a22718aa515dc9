"""A small convolutional network."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from robustkit import Architecture
from robustkit.components.fields import PositiveInt
from robustkit_architectures.layers import ImageShape, check_size, conv3x3, initialized

_GRID = 8
"""Feature maps are averaged down to fewer than twice this many rows and columns before the linear layer."""


@dataclass(frozen=True)
class SmallCNN(Architecture):
    """Four 3x3 convolutions and a linear layer: trains in minutes on a CPU, for digits and Fashion-MNIST.

    The second and the fourth convolution halve the image, in place of pooling. The linear layer sees the feature maps
    themselves, not their mean: on small grey images, where things are matters.
    """

    name = "small-cnn"

    width: PositiveInt = 32
    """Channels of the first two convolutions; the other two have twice as many."""
    batch_norm: bool = True
    """Whether BatchNorm follows each convolution. Without it nothing depends on the other images of a batch."""

    def build(self, num_classes: int, image_shape: ImageShape) -> nn.Module:
        """The network for images of exactly this shape, at least 4x4.

        Raises:
            InputError: the images are smaller than that.
        """
        check_size(self.name, image_shape, smallest=4)
        channels, narrow, wide = image_shape[0], self.width, 2 * self.width
        rows, columns = (-(-size // 4) for size in image_shape[1:])
        kernel = max(1, rows // _GRID), max(1, columns // _GRID)
        features = wide * (rows // kernel[0]) * (columns // kernel[1])
        layers = OrderedDict[str, nn.Module](
            block1=self._block(channels, narrow, stride=1),
            block2=self._block(narrow, narrow, stride=2),
            block3=self._block(narrow, wide, stride=1),
            block4=self._block(wide, wide, stride=2),
            pool=nn.AvgPool2d(kernel),
            flatten=nn.Flatten(),
            classifier=nn.Linear(features, num_classes),
        )
        return initialized(nn.Sequential(layers))

    def _block(self, inputs: int, outputs: int, stride: int) -> nn.Sequential:
        convolution = conv3x3(inputs, outputs, stride, bias=not self.batch_norm)
        normalization = [nn.BatchNorm2d(outputs)] if self.batch_norm else []
        return nn.Sequential(convolution, *normalization, nn.ReLU())
