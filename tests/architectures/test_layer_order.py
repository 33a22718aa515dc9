"""The layers that the networks of the published figures run through, in order, written out from the papers' tables."""

from __future__ import annotations

import pytest
import torch
from robustkit_architectures import ResNet18, WideResNet
from torch import nn

Layer = tuple[str, int, int, int, int]
"""Kind, input channels, output channels, kernel size, stride."""


def run_through(network: nn.Module) -> list[Layer]:
    """What a forward of two colour images of 32 x 32 pixels calls; no number is computed."""
    seen: list[Layer] = []

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
            seen.append(("conv", module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0]))
        elif isinstance(module, nn.BatchNorm2d):
            seen.append(("bn", module.num_features, module.num_features, 0, 0))
        elif isinstance(module, nn.Linear):
            seen.append(("linear", module.in_features, module.out_features, 0, 0))

    for module in network.modules():
        module.register_forward_hook(note)
    network(torch.empty(2, 3, 32, 32, device="meta"))
    return seen


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> Layer:
    return "conv", inputs, outputs, kernel, stride


def bn(channels: int) -> Layer:
    return "bn", channels, channels, 0, 0


def resnet18(classes: int) -> list[Layer]:
    """He et al. 2016a, table 1, 18 layers, with a 3x3 stem: convolution first, then BatchNorm."""
    layers = [conv(3, 64), bn(64)]
    blocks = [(64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1)]
    blocks += [(128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1)]
    for inputs, outputs, stride in blocks:
        layers += [conv(inputs, outputs, 3, stride), bn(outputs), conv(outputs, outputs), bn(outputs)]
        if inputs != outputs:
            layers += [conv(inputs, outputs, 1, stride), bn(outputs)]
    return [*layers, ("linear", 512, classes, 0, 0)]


def wide_resnet_32_10(classes: int) -> list[Layer]:
    """Zagoruyko and Komodakis 2016, table 1, k = 10, five blocks a stage: BatchNorm first, then convolution."""
    layers, inputs = [conv(3, 16)], 16
    for outputs, first_stride in [(160, 1), (320, 2), (640, 2)]:
        for block in range(5):
            stride = first_stride if block == 0 else 1
            shortcut = [conv(inputs, outputs, 1, stride)] if block == 0 else []
            layers += [bn(inputs), *shortcut, conv(inputs, outputs, 3, stride), bn(outputs), conv(outputs, outputs)]
            inputs = outputs
    return [*layers, bn(640), ("linear", 640, classes, 0, 0)]


@pytest.mark.parametrize(
    ("architecture", "expected", "classes", "count"),
    [
        (ResNet18(), resnet18, 10, 11_173_962),
        (ResNet18(), resnet18, 100, 11_220_132),
        (WideResNet(depth=32, width=10), wide_resnet_32_10, 10, 46_160_474),
        (WideResNet(depth=32, width=10), wide_resnet_32_10, 100, 46_218_164),
    ],
    ids=str,
)
def test_layers_in_order_and_their_parameters(architecture, expected, classes, count) -> None:
    with torch.device("meta"):
        network = architecture.build(classes, (3, 32, 32))
    layers = expected(classes)
    assert run_through(network) == layers
    by_hand = 0
    for kind, inputs, outputs, kernel, _ in layers:
        by_hand += {"conv": inputs * outputs * kernel**2, "bn": 2 * inputs, "linear": (inputs + 1) * outputs}[kind]
    assert by_hand == count == sum(parameter.numel() for parameter in network.parameters())
