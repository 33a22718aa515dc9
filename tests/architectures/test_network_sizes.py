"""How many parameters the networks have, counted by hand and against published counts, and which sizes they refuse."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robustkit_architectures import PreActResNet18, ResNet18, SmallCNN, WideResNet
from torch import nn

from robustkit import Architecture
from robustkit.errors import ComponentError, InputError

CIFAR = (3, 32, 32)


def built(architecture: Architecture, classes: int = 10, shape: tuple[int, int, int] = CIFAR) -> nn.Module:
    """The network without its numbers, so that even the largest is there at once."""
    with torch.device("meta"):
        return architecture.build(classes, shape)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_resnet18_has_the_usual_count_on_cifar() -> None:
    assert parameters(built(ResNet18())) == 11_173_962


def test_preactresnet18_differs_from_resnet18_by_its_batch_norms() -> None:
    # Before their convolutions, BatchNorms have the channels of the input: in the first block of three stages one has
    # half of what it has in a ResNet. The three on shortcuts are gone; that after the stem is now after the last block.
    moved = sum(2 * (width // 2 - width) for width in (128, 256, 512))
    shortcuts = -sum(2 * width for width in (128, 256, 512))
    ends = 2 * 512 - 2 * 64
    assert parameters(built(PreActResNet18())) == 11_173_962 + moved + shortcuts + ends == 11_172_170


@pytest.mark.parametrize(("depth", "expected"), [(34, 46_160_474), (28, 36_479_194)])
def test_wideresnets_have_the_published_counts_on_cifar(depth: int, expected: int) -> None:
    assert parameters(built(WideResNet(depth=depth, width=10))) == expected


@pytest.mark.parametrize(("depth", "blocks"), [(8, 1), (10, 1), (14, 2), (16, 2), (26, 4), (28, 4), (32, 5), (34, 5)])
def test_depth_counts_layers_with_or_without_the_shortcuts(depth: int, blocks: int) -> None:
    network = built(WideResNet(depth=depth, width=2))
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    in_shortcuts = [layer for layer in layers if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)]
    assert depth in (len(layers) - 1, len(layers) - len(in_shortcuts))  # the paper leaves out the linear layer
    assert len(in_shortcuts) == 3
    assert WideResNet(depth=depth).blocks_in_stage == blocks
    assert [len(network.get_submodule(f"stage{number}")) for number in (1, 2, 3)] == [blocks] * 3  # type: ignore[arg-type]


def test_wrn_32_10_is_the_network_of_wrn_34_10() -> None:
    by_name = [built(WideResNet(depth=depth)).state_dict() for depth in (32, 34)]
    assert {name: tensor.shape for name, tensor in by_name[0].items()} == {
        name: tensor.shape for name, tensor in by_name[1].items()
    }


@pytest.mark.parametrize(("depth", "nearest"), [(1, 10), (4, 10), (9, 10), (30, 28), (33, 34), (101, 100)])
def test_a_depth_between_is_refused_with_the_nearest(depth: int, nearest: int) -> None:
    with pytest.raises(
        ComponentError, match=rf"depth: expected 6 n \+ 4 .* got {depth}\. The nearest depth is {nearest}\."
    ):
        WideResNet(depth=depth)


@settings(max_examples=30, deadline=None)
@given(depth=st.integers(1, 200))
def test_every_depth_is_built_or_refused(depth: int) -> None:
    fits = depth >= 8 and (depth - 4) % 6 in (0, 4)
    try:
        blocks = WideResNet(depth=depth, width=1).blocks_in_stage
    except ComponentError:
        assert not fits
    else:
        assert fits
        assert depth in (6 * blocks + 4, 6 * blocks + 2)


def test_small_cnn_counted_by_hand() -> None:
    w = 8
    convolutions = 9 * (1 * w + w * w + w * 2 * w + 2 * w * 2 * w)
    batch_norms = 2 * (w + w + 2 * w + 2 * w)
    linear = 2 * w * 7 * 7 * 10 + 10  # 28 -> 14 -> 7
    assert parameters(built(SmallCNN(width=w), shape=(1, 28, 28))) == convolutions + batch_norms + linear
    biases = w + w + 2 * w + 2 * w
    without = parameters(built(SmallCNN(width=w, batch_norm=False), shape=(1, 28, 28)))
    assert without == convolutions + biases + linear


@settings(max_examples=30, deadline=None)
@given(height=st.integers(4, 300), width=st.integers(4, 300), channels=st.integers(1, 4))
def test_small_cnn_takes_any_size_and_stays_small(height: int, width: int, channels: int) -> None:
    network = built(SmallCNN(width=4), shape=(channels, height, width))
    logits = network(torch.empty(2, channels, height, width, device="meta"))
    assert logits.shape == (2, 10)
    assert parameters(network) < 10 * 8 * 15 * 15 + 5000


@pytest.mark.parametrize(
    ("architecture", "smallest"), [(SmallCNN(), 4), (ResNet18(), 8), (PreActResNet18(), 8), (WideResNet(depth=10), 4)]
)
def test_images_that_are_too_small_are_refused_with_the_smallest_size(
    architecture: Architecture, smallest: int
) -> None:
    with pytest.raises(InputError, match=rf"'{architecture.name}' takes images of at least {smallest}x{smallest}"):
        built(architecture, shape=(3, smallest - 1, 32))
    built(architecture, shape=(1, smallest, smallest))
