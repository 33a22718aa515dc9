"""What the networks compute, against torchvision's and against the papers' formulas written out anew."""

from __future__ import annotations

import math

import pytest
import torch
from robustkit_architectures import PreActResNet18, ResNet18, SmallCNN, WideResNet
from torch import Tensor, nn
from torch.nn import functional

from robustkit import Architecture


def stirred(network: nn.Module) -> nn.Module:
    """The network with every number random, so that no wrong order of layers can hide behind ones and zeros."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point() and tensor.ndim < 2:
                tensor.uniform_(0.5, 1.5) if "var" in name or "weight" in name else tensor.normal_()
    return network.eval()


def test_resnet18_computes_what_torchvisions_does_with_a_small_stem() -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    ours = stirred(ResNet18().build(10, (3, 16, 16)))
    theirs = resnet18(weights=None, num_classes=10)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    values = ours.state_dict().values()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)))
    images = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(ours(images), theirs.eval()(images), rtol=1e-4, atol=1e-4)


def pre_activation(weights: dict[str, Tensor], images: Tensor) -> Tensor:
    """He et al. 2016b from the network's weights alone: x + conv(relu(bn(conv(relu(bn(x)))))), block after block."""

    def activated(features: Tensor, prefix: str) -> Tensor:
        mean, var, scale, shift = (
            weights[f"{prefix}.{part}"].view(-1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return ((features - mean) / (var + 1e-5).sqrt() * scale + shift).clamp(min=0)

    features = functional.conv2d(images, weights["stem.weight"], padding=1)
    for block in dict.fromkeys(name.rsplit(".", 2)[0] for name in weights if name.startswith("stage")):
        first = activated(features, f"{block}.bn1")
        projection = weights.get(f"{block}.shortcut.weight")
        stride = 2 if block.endswith(".0") and not block.startswith("stage1") else 1
        kept = features if projection is None else functional.conv2d(first, projection, stride=stride)
        inner = functional.conv2d(first, weights[f"{block}.conv1.weight"], stride=stride, padding=1)
        second = functional.conv2d(activated(inner, f"{block}.bn2"), weights[f"{block}.conv2.weight"], padding=1)
        features = kept + second
    pooled = activated(features, "tail.0").mean((2, 3))
    return pooled @ weights["classifier.weight"].T + weights["classifier.bias"]


@pytest.mark.parametrize("architecture", [PreActResNet18(), WideResNet(depth=16, width=2)], ids=repr)
def test_pre_activation_networks_compute_the_papers_formula(architecture: Architecture) -> None:
    torch.manual_seed(0)
    network, images = stirred(architecture.build(10, (3, 16, 16))), torch.rand(2, 3, 16, 16)
    expected = pre_activation(network.state_dict(), images)
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4 * float(expected.detach().abs().max()))


@pytest.mark.parametrize("architecture", [ResNet18(), PreActResNet18(), WideResNet(depth=10), SmallCNN()], ids=repr)
def test_convolutions_start_he_normal_by_fan_out(architecture: Architecture) -> None:
    torch.manual_seed(0)
    for module in architecture.build(10, (3, 8, 8)).modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            spread = float(module.weight.detach().std()) * math.sqrt(fan_out / 2)
            assert spread == pytest.approx(1, abs=4 / math.sqrt(2 * module.weight.numel()))


def test_dropout_is_between_the_convolutions_and_only_in_training() -> None:
    torch.manual_seed(0)
    network, images = WideResNet(depth=10, width=1, dropout=0.5).build(10, (1, 8, 8)), torch.rand(4, 1, 8, 8)
    plain = WideResNet(depth=10, width=1).build(10, (1, 8, 8))
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network.eval()(images), plain.eval()(images))
    torch.manual_seed(1)
    first, second = network.train()(images), network(images)
    assert not torch.equal(first, second)
    assert torch.equal(plain.train()(images), plain(images))


def test_without_batch_norm_no_image_depends_on_the_others() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 1, 8, 8)
    network = SmallCNN(width=8, batch_norm=False).build(10, (1, 8, 8)).train()
    torch.testing.assert_close(network(images)[:1], network(images[:1]))
    with_it = SmallCNN(width=8).build(10, (1, 8, 8)).train()
    assert not torch.allclose(with_it(images)[:1], with_it(images[:1]))


def test_small_cnn_learns_real_digits_in_seconds() -> None:
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    images, labels = torch.tensor(pixels / 16, dtype=torch.float32).view(-1, 1, 8, 8), torch.tensor(classes)
    torch.manual_seed(0)
    network = SmallCNN(width=16).build(10, (1, 8, 8))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(4):
        for batch in torch.randperm(1400).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    accuracy = (network.eval()(images[1400:]).argmax(1) == labels[1400:]).float().mean()
    assert float(accuracy) > 0.9
