"""Which BatchNorm is folded into which layer, and that nothing else is."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from robustkit import make
from robustkit.attacking.folding import folded, pairs_in


def settled(model):
    """In eval mode, with BatchNorm as far from the identity as training could take it."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            if module.running_mean is not None:
                module.running_mean.copy_(torch.randn(module.num_features, generator=generator))
                module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.2)
            if module.affine:
                module.weight.data.copy_(torch.randn(module.num_features, generator=generator))
                module.bias.data.copy_(torch.randn(module.num_features, generator=generator))
    return model.eval()


@pytest.mark.parametrize(
    ("name", "options", "count"),
    # pre-activation: only a block's second BatchNorm follows a convolution that nothing else reads
    [
        ("resnet18", {}, 20),
        ("preactresnet18", {}, 8),
        ("wideresnet", {"depth": 10, "width": 1}, 3),
        ("small-cnn", {}, 4),
    ],
)
def test_finds_every_pair_of_the_bundled_networks(name, options, count):
    model = make("architecture", name, **options).build(10, (3, 16, 16)).eval()
    assert len(pairs_in(model, torch.rand(2, 3, 16, 16))) == count


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (lambda bias: nn.Conv2d(3, 4, 3, stride=2, padding=1, groups=1, bias=bias), nn.BatchNorm2d, (5, 3, 7, 6)),
        (lambda bias: nn.Conv2d(4, 4, 3, groups=2, dilation=2, bias=bias), nn.BatchNorm2d, (5, 4, 7, 6)),
        (lambda bias: nn.Conv1d(3, 4, 2, bias=bias), nn.BatchNorm1d, (5, 3, 9)),
        (lambda bias: nn.Linear(6, 4, bias=bias), nn.BatchNorm1d, (5, 6)),
    ],
)  # fmt: skip
def test_the_folded_layer_computes_what_both_did(layer, norm, shape, bias, affine):
    model = settled(nn.Sequential(layer(bias), norm(4, affine=affine)).double())
    inputs = torch.randn(shape, dtype=torch.float64)
    (pair,) = pairs_in(model, inputs)
    assert (pair.layer, pair.norm) == (model[0], model[1])
    expected = model(inputs)
    weight, shift = folded(pair.layer, pair.norm)
    alone = nn.Sequential(layer(True)).double()
    alone[0].weight.data, alone[0].bias.data = weight, shift
    torch.testing.assert_close(alone(inputs), expected, rtol=1e-12, atol=1e-12)


class Wired(nn.Module):
    """A convolution and a BatchNorm, joined by the given function."""

    def __init__(self, wiring, conv=None, norm=None):
        super().__init__()
        self.conv = conv or nn.Conv2d(3, 3, 1)
        self.norm = norm or nn.BatchNorm2d(3)
        self.wiring = wiring

    def forward(self, images):
        return self.wiring(self, images)


def read_twice(self, x):
    features = self.conv(x)
    return self.norm(features) + features


def kept_for_later(self, x):
    features = self.conv(x)
    return self.norm(features), features


def run_twice(self, x):
    return self.norm(self.conv(x)) + self.norm(self.conv(2 * x))


def between(self, x):
    return self.norm(functional.relu(self.conv(x)))


def in_place(self, x):
    features = self.conv(x)
    features.mul_(2)
    return self.norm(features)


def other_way_round(self, x):
    return self.conv(self.norm(x))


def by_its_values(self, x):
    features = self.conv(x)
    return self.norm(features) if features.mean() > 0 else features


@pytest.mark.parametrize(
    "wiring", [read_twice, kept_for_later, run_twice, between, in_place, other_way_round, by_its_values]
)
def test_what_something_else_reads_is_not_folded(wiring):
    assert pairs_in(Wired(wiring).eval(), torch.rand(2, 3, 4, 4)) == []


def straight(self, x):
    return self.norm(self.conv(x))


def hooked():
    model = Wired(straight)
    model.conv.register_forward_hook(lambda module, args, output: output * 2)
    return model


class Standardized(nn.Conv2d):
    def forward(self, x):
        return functional.conv2d(x, self.weight - self.weight.mean(), self.bias)


@pytest.mark.parametrize(
    "model",
    [
        Wired(straight, norm=nn.BatchNorm2d(3, track_running_stats=False)),
        Wired(straight, conv=Standardized(3, 3, 1)),
        Wired(straight, conv=weight_norm(nn.Conv2d(3, 3, 1))),
        Wired(straight, norm=nn.InstanceNorm2d(3)),
        hooked(),
    ],
    ids=["batch statistics", "own forward", "parametrized", "no BatchNorm", "hooked"],
)
def test_what_is_not_quite_torchs_own_is_not_folded(model):
    assert pairs_in(model.eval(), torch.rand(2, 3, 4, 4)) == []


def test_a_linear_layer_on_sequences_is_not_folded():
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)).eval()  # (N, 5, 4): BatchNorm's channels are not Linear's
    assert pairs_in(model, torch.rand(2, 5, 4)) == []


def test_looking_leaves_no_hooks_and_changes_nothing():
    model = settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pairs_in(model, torch.rand(2, 3, 4, 4))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)
