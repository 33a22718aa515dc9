"""What is measured under every native attack does not depend on batch size or order, example by example."""

from __future__ import annotations

import pytest
import torch
from every_attack import EVERY

from robustkit import TensorExamples, evaluate
from robustkit.testing import tiny_batch, tiny_model

COUNT = 30


@pytest.fixture
def model(monkeypatch):
    """In float64, where the last bits that differ from batch to batch decide nothing; `transfer` crafts on it, too."""
    model = tiny_model(dtype=torch.float64).eval()
    monkeypatch.setattr("robustkit_attacks.transfer._loaded", lambda *_: model)
    return model


@pytest.fixture
def examples(model):
    """Of which every fifth is labelled wrongly; those are left out, so batches are thinned at many places."""
    images, _ = tiny_batch(COUNT, dtype=torch.float64)
    with torch.no_grad():
        labels = model(images).argmax(1)
    labels[::5] = (labels[::5] + 1) % 10
    return images.float(), labels


def robust(attack, model, images, labels, size):
    found = evaluate(model, TensorExamples(images, labels, tuple("0123456789")), {"it": attack}, batch_size=size)
    return found.attacked["it"]


@pytest.mark.parametrize("attack", EVERY.values(), ids=EVERY)
def test_results_are_the_examples_own(attack, model, examples):
    images, labels = examples
    together = robust(attack, model, images, labels, 500)
    assert together.sum() < 24, "nothing was broken"
    if attack.budget is not None:
        assert together.any(), "all were broken"
    for size in (1, 7):
        assert torch.equal(robust(attack, model, images, labels, size), together)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(1))
    for size in (7, 500):
        assert torch.equal(robust(attack, model, images[order], labels[order], size), together[order])
