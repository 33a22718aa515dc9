"""Optimizers that ask for the loss twice: sharpness-aware minimization with an attack inside."""

from __future__ import annotations

import pytest
import torch

from robustkit import Listener
from robustkit.components.weights import copy_

PGD = {"use": "pgd", "eps": 0.1, "step_size": 0.05, "steps": 2}


@pytest.fixture
def sam(train):
    """Train one learner with SAM, or another optimizer, for one epoch of 3 batches."""

    def train_with(optimizer="sam", attack=PGD, listener=None, **more):
        learner = {
            "strategy": {"use": "watched", "label": "sam", "attack": attack},
            "optimizer": {"use": optimizer, "lr": 0.05, **more},
        }
        return train(learners={"sam": learner}, aggregator="single", epochs=1, listener=listener)

    return train_with


def test_the_loss_is_asked_for_twice_a_batch_on_the_same_images(sam, parts):
    sam()
    seen = parts.SEEN["sam"]
    assert len(seen) == 6
    for (first, labels), (second, same) in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(first, second)
        assert torch.equal(labels, same)


def test_batch_norm_counts_every_batch_once(sam):
    assert int(sam().model().weights()["2.num_batches_tracked"]) == 3


def test_running_statistics_and_the_reported_loss_are_of_the_first_look(sam):
    """After one batch they are those of the network as it was before the batch, attack included."""

    class First(Listener):
        def started(self, run):
            self.initial = {name: tensor.clone() for name, tensor in run.merged.items()}

        def batch_ended(self, run):
            if run.clock.batch == 1:
                weights = run.learners["sam"].weights.raw
                self.found = {name: tensor.clone() for name, tensor in weights.items()}
                self.loss = run.learners["sam"].losses[0].clone()

    class Plain(First):
        """As First, with a learning rate of 0, so that nothing but the first look is left."""

    climbing, standing = First(), Plain()
    sam(listener=climbing)
    sam("sgd", listener=standing)
    for name in ("2.running_mean", "2.running_var"):
        assert torch.equal(climbing.found[name], standing.found[name])
    assert torch.equal(climbing.loss, standing.loss)
    assert not torch.equal(climbing.found["6.weight"], standing.found["6.weight"])


def test_the_step_is_the_gradient_found_uphill(sam, parts):
    """One batch by hand: climb rho along the gradient, take the gradient there, and step from where it began."""
    rho, lr, after = 0.05, 0.05, {}

    class First(Listener):
        def started(self, run):
            self.model = run.model
            self.initial = {name: tensor.clone() for name, tensor in run.merged.items()}

        def batch_ended(self, run):
            if run.clock.batch == 1:
                after.update({name: tensor.clone() for name, tensor in run.learners["sam"].weights.raw.items()})

    listener = First()
    sam(attack=None, listener=listener, momentum=0.0)
    images, labels = parts.SEEN["sam"][0]
    model = listener.model.train()
    copy_(model.weights(), listener.initial)

    def gradients():
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        return torch.autograd.grad(loss, list(model.parameters()))

    uphill = gradients()
    norm = torch.sqrt(sum((gradient**2).sum() for gradient in uphill))
    with torch.no_grad():
        for parameter, gradient in zip(model.parameters(), uphill, strict=True):
            parameter += rho * gradient / norm
    downhill = gradients()
    for (name, _), gradient in zip(model.network.named_parameters(), downhill, strict=True):
        torch.testing.assert_close(after[name], listener.initial[name] - lr * gradient)
