"""Networks to attack, and a record of everything an attack must leave alone."""

from __future__ import annotations

import os
import random

import numpy
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn


@pytest.fixture
def mixed_model():
    """10 classes, 3 x 16 x 16; in train mode but for one BatchNorm, some weights frozen, some with gradients."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.3)),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    with torch.no_grad():
        for _ in range(20):
            model(torch.rand(32, 3, 16, 16))
    model[0][1].eval()
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    model[0][0].weight.requires_grad_(False)  # frozen, and yet it has a gradient
    model[4].weight.requires_grad_(False)
    model[4].weight.grad = None
    model[4].bias.grad = None
    return model


@pytest.fixture
def mixed_batch(mixed_model):
    """Three images that the model, in eval mode, classifies as their labels say, so that every attack has to work."""
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    modes = [(module, module.training) for module in mixed_model.modules()]
    with torch.no_grad():
        labels = mixed_model.eval()(images).argmax(1)
    for module, mode in modes:
        module.training = mode
    return images, labels


class Everything:
    """What an attack must leave as it is: the model, value by value, and the global random generators."""

    def __init__(self, model):
        self.modes = {name: module.training for name, module in model.named_modules()}
        self.parameters = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        self.required = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
        self.gradient_ids = {name: id(parameter.grad) for name, parameter in model.named_parameters()}
        self.gradients = {
            name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
        }
        self.buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        self.torch, self.numpy, self.python = torch.get_rng_state(), numpy.random.get_state(), random.getstate()

    def assert_same(self, model):
        now = Everything(model)
        assert now.modes == self.modes
        assert now.required == self.required
        assert now.gradient_ids == self.gradient_ids
        for kind in ("parameters", "gradients", "buffers"):
            before, after = getattr(self, kind), getattr(now, kind)
            assert before.keys() == after.keys()
            for name, tensor in before.items():
                assert torch.equal(tensor, after[name]), f"{kind}: {name}"
        assert torch.equal(now.torch, self.torch)
        assert all(numpy.array_equal(mine, other) for mine, other in zip(now.numpy, self.numpy, strict=True))
        assert now.python == self.python


@pytest.fixture
def everything():
    """`everything(model)` records; its `assert_same(model)` compares."""
    return Everything


@pytest.fixture(scope="session")
def training_seed():
    """Of the small networks that tests train.

    Other convolution kernels train other networks, so that tests which were never seen on another network fail on
    another CPU. Seeds stand in for CPUs: what these networks are measured for must hold for any. Try some, as in
    `ROBUSTKIT_TEST_TRAINING_SEED=3 pytest tests/attacks`, before a figure of such a network goes into a test.
    """
    return int(os.environ.get("ROBUSTKIT_TEST_TRAINING_SEED", "0"))


@pytest.fixture(scope="session")
def digits(training_seed):
    """A small network, trained for a second on real handwritten digits, and 200 images (1 x 8 x 8) it has not seen."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).div(16).unsqueeze(1)
    labels = torch.tensor(data.target, dtype=torch.int64)
    with torch.random.fork_rng():
        torch.manual_seed(training_seed)
        model = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(128, 10),
        ).double()  # so that kernels of other CPUs train it nearly alike
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(120):
            chosen = torch.randint(1500, (128,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[chosen].double()), labels[chosen]).backward()
            optimizer.step()
    return model.float().eval().requires_grad_(False), images[1500:1700], labels[1500:1700]


@pytest.fixture(scope="session")
def middling_radius():
    """`middling_radius(norm, model, images, labels)`: at which PGD leaves about half of the examples standing.

    There, attacks of different strength differ most, whatever the network has learnt.
    """
    from robustkit_attacks import PGD

    from robustkit import perturb

    def find(norm, model, images, labels):
        low, high = 0.0, {"Linf": 0.5, "L2": 3.0}[norm]
        for _ in range(6):
            middle = (low + high) / 2
            attack = PGD(eps=middle, norm=norm, steps=10, keep="first")
            standing = (model(perturb(attack, model, images, labels, seed=0)).argmax(1) == labels).float().mean()
            low, high = (middle, high) if standing > 0.5 else (low, middle)
        return high

    return find


@pytest.fixture(scope="session")
def broken_by():
    """`broken_by(attack, model, images, labels)`: which examples the attack breaks, and their losses under it."""
    from robustkit import perturb

    def run(attack, model, images, labels, seed=0):
        with torch.no_grad():
            logits = model(perturb(attack, model, images, labels, seed=seed))
        return logits.argmax(1) != labels, nn.functional.cross_entropy(logits, labels, reduction="none")

    return run
