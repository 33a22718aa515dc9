"""A plugin of one file: the ResNet of He et al. for CIFAR, with shortcuts that have no parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustkit import Architecture, hookimpl


class Block(nn.Module):
    """Two convolutions and a shortcut, which where channels double takes every second pixel and adds channels of 0."""

    def __init__(self, entering: int, channels: int, zeros: tuple[int, int]) -> None:
        super().__init__()
        self.stride = 1 if entering == channels else 2
        self.zeros = zeros
        self.conv1 = nn.Conv2d(entering, channels, 3, stride=self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, images: Tensor) -> Tensor:
        changed = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(images)))))
        if self.stride == 2:
            images = functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, *self.zeros))
        return functional.relu(changed + images)


class Network(nn.Module):
    """Three stages of 16, 32 and 64 channels, global average pooling, one linear layer."""

    def __init__(self, blocks: int, zeros: Literal["around", "after"], num_classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.stages, entering = nn.ModuleList(), 16
        for channels in (16, 32, 64):
            added = channels - entering
            before = added // 2 if zeros == "around" else 0
            stage = [Block(entering, channels, (before, added - before))]
            stage += [Block(channels, channels, (0, 0)) for _ in range(blocks - 1)]
            self.stages.append(nn.Sequential(*stage))
            entering = channels
        self.linear = nn.Linear(64, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        features = functional.relu(self.bn1(self.conv1(images)))
        for stage in self.stages:
            features = stage(features)
        logits: Tensor = self.linear(torch.flatten(functional.adaptive_avg_pool2d(features, 1), 1))
        return logits


@dataclass(frozen=True)
class CifarResNet(Architecture):
    """He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2, option A."""

    name = "cifar-resnet"

    blocks: int = 3
    """Blocks in each of the three stages: 3 is ResNet-20."""
    zeros: Literal["around", "after"] = "around"
    """Where the added channels of a shortcut are: half before and half after the others, or all after."""

    def build(self, num_classes, image_shape):
        return Network(self.blocks, self.zeros, num_classes)


@hookimpl
def register_architectures():
    return [CifarResNet]
