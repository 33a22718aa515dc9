"""Small networks on the digits, trained in seconds: one robust, one not, and one attack radius between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from robustkit import Attack, Examples, make, perturb
from robustkit.models.classifier import build_classifier

EPS = 0.1


def trained(seed: int, *, eps: float, epochs: int) -> nn.Module:
    """A small network: adversarially trained with radius eps, or naturally where it is 0."""
    train = make("dataset", "digits").load("train")  # type: ignore[attr-defined]
    attack = make("attack", "pgd", eps=eps, steps=4, step_size=eps / 2, keep="last") if eps else None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_classifier(make("architecture", "small-cnn", width=12), 10, train.image_shape)  # type: ignore[arg-type]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        steps = epochs * (len(train) // 64)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, 2.0 * (1 - step / steps)))
        for _ in range(epochs):
            for indices in torch.randperm(len(train)).split(64)[:-1]:
                images, labels = train.images(indices), train.labels[indices]
                if attack is not None:
                    images = perturb(attack, model, images, labels)  # type: ignore[arg-type]
                optimizer.zero_grad()
                nn.functional.cross_entropy(model.train()(images), labels).backward()
                optimizer.step()
                rate.step()
    return model.eval()


@dataclass(frozen=True)
class Ward:
    """What defences are planted in."""

    robust: nn.Module
    weak: nn.Module
    examples: Examples


def planted_ward(seed: int) -> Ward:
    """Both networks, trained with this seed, and 200 test examples."""
    test = make("dataset", "digits").load("test")  # type: ignore[attr-defined]
    examples = test.subset(torch.arange(200))
    return Ward(trained(seed, eps=2 * EPS, epochs=6), trained(seed, eps=0.0, epochs=3), examples)


def named(name: str, **fields: Any) -> Attack:
    """An installed attack with the tests' radius."""
    attack = make("attack", name, **{"eps": EPS, **fields})
    assert isinstance(attack, Attack)
    return attack


RECIPE = """\
name: short
epochs: 2
batch_size: 32
dataset: digits
architecture: {use: small-cnn, width: 8}
learners:
  natural:
    strategy: natural
    optimizer: {use: sgd, lr: 0.05, momentum: 0.9}
  robust:
    strategy: {use: adversarial, attack: {use: pgd, eps: 0.1, steps: 2, keep: last}}
    optimizer: {use: sgd, lr: 0.05, momentum: 0.9}
aggregator: {use: generalist, mix: {robust: 0.5}, decay: 0.9}
evaluation:
  test_examples: 50
  attacks: {pgd-2: {use: pgd, eps: 0.1, steps: 2}}
  final_attacks:
    pgd-5: {use: pgd, eps: 0.1, steps: 5}
    noise: {use: noise, eps: 0.1}
"""
"""A run of two learners that takes a second or two."""
