"""Suites for what a learner trains with find what is wrong with broken strategies, attacks, losses and optimizers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy
import pytest
import torch
from suite_failures import failures
from torch import nn

from robustkit import Attack, Budget, CrossEntropy, Loss, Optimizer, Strategy
from robustkit.testing import AttackSuite, LossSuite, OptimizerSuite, StrategySuite, tiny_batch, tiny_model

CALLS = itertools.count()
ELSEWHERE = numpy.random.default_rng(0)


@dataclass(frozen=True)
class Sign(Attack):
    """One step along the sign of the gradient."""

    name = "sign"

    @property
    def budget(self):
        return Budget("Linf", 0.1)

    def __call__(self, model, images, labels):
        images = images.detach().requires_grad_()
        slope = torch.autograd.grad(CrossEntropy()(model(images), labels).sum(), images)[0]
        return (images + 0.1 * slope.sign()).clamp(0, 1)


@dataclass(frozen=True)
class Plain(Strategy):
    """The mean loss."""

    name = "plain"

    def loss(self, model, images, labels):
        return CrossEntropy()(model(images), labels).mean()


@dataclass(frozen=True)
class Descent(Optimizer):
    """Plain gradient descent."""

    name = "descent"

    def build(self, parameters, lr):
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9)


class TestSign(AttackSuite):
    attack = Sign()


class TestPlain(StrategySuite):
    strategy = Plain()


class TestDescent(OptimizerSuite):
    optimizer = Descent(lr=0.1)


class TestCrossEntropy(LossSuite):
    loss = CrossEntropy()


def broken(sound, **members):
    """The sound component with these members in place of its own."""
    cls = type("Broken", (type(sound),), {"name": "broken", "__doc__": "Broken on purpose.", **members})
    cls = dataclass(frozen=True)(cls)
    return cls(lr=0.1) if issubclass(cls, Optimizer) else cls()


def shifted(self, model, images, labels):
    return (images + 0.2).clamp(0, 1)


def in_place(self, model, images, labels):
    images[0] = 0.0
    return images


def relabelling(self, model, images, labels):
    labels[0] = 3
    return images


def retraining(self, model, images, labels):
    next(model.parameters()).data.mul_(0.9)
    return images


def drawing_elsewhere(self, model, images, labels, source=ELSEWHERE):
    return (images + 0.01 * float(source.random())).clamp(0, 1)


def drawing_together(self, model, images, labels):
    return (images + 0.1 * (torch.rand_like(images) - 0.5)).clamp(0, 1)


def crowding(self, model, images, labels):
    return images + 0.1 * (images.mean(0) - images)


def squeezing(self, model, images, labels):
    return images.squeeze()


@pytest.mark.parametrize(
    ("call", "test"),
    [
        (shifted, "test_stays_inside_its_budget"),
        (in_place, "test_leaves_the_batch_alone"),
        (relabelling, "test_leaves_the_batch_alone"),
        (retraining, "test_leaves_the_model_alone"),
        (drawing_elsewhere, "test_repeats_with_equal_seeds"),
        (drawing_together, "test_does_not_depend_on_the_batch"),
        (crowding, "test_does_not_depend_on_the_batch"),
        (squeezing, "test_takes_one_image"),
        (squeezing, "test_takes_one_channel"),
    ],
)
def test_broken_attacks(call, test):
    assert test in failures(AttackSuite, broken(Sign(), __call__=call))


@pytest.mark.parametrize("budget", [0.1, Budget("Linf", 0.0), Budget("L7", 1.0)])
def test_budgets_that_promise_nothing(budget):
    found = failures(AttackSuite, broken(Sign(), budget=property(lambda self: budget)))
    assert "test_budget_is_a_promise" in found


def a_loss_each(self, model, images, labels):
    return CrossEntropy()(model(images), labels)


def a_number(self, model, images, labels):
    return float(Plain().loss(model, images, labels))


def constant(self, model, images, labels):
    return torch.tensor(1.0)


def infinite(self, model, images, labels):
    return Plain().loss(model, images, labels) / 0.0


def of_the_head_alone(self, model, images, labels):
    with torch.no_grad():
        features = model[1][:-1](model[0](images)) if len(model) == 2 else model[:-1](images)
    return CrossEntropy()((model[1] if len(model) == 2 else model)[-1](features), labels).mean()


def darkening(self, model, images, labels):
    images *= 0.5
    return Plain().loss(model, images, labels)


def in_train_mode(self, model, images, labels):
    return Plain().loss(model.train(), images, labels)


def backwards(self, model, images, labels):
    loss = Plain().loss(model, images, labels)
    loss.backward(retain_graph=True)
    return loss


def counting(self, model, images, labels, calls=CALLS):
    return Plain().loss(model, images, labels) + next(calls)


@pytest.mark.parametrize(
    ("loss", "test"),
    [
        (a_loss_each, "test_loss_is_a_finite_scalar"),
        (a_number, "test_loss_is_a_finite_scalar"),
        (infinite, "test_loss_is_a_finite_scalar"),
        (constant, "test_loss_reaches_every_parameter"),
        (of_the_head_alone, "test_loss_reaches_every_parameter"),
        (darkening, "test_leaves_the_batch_alone"),
        (in_train_mode, "test_leaves_the_model_alone"),
        (backwards, "test_leaves_the_model_alone"),
        (counting, "test_repeats_with_equal_seeds"),
    ],
)
def test_broken_strategies(loss, test):
    assert test in failures(StrategySuite, broken(Plain(), loss=loss))


def of_the_batch(self, logits, labels):
    return CrossEntropy()(logits, labels) / len(labels)


def naive(self, logits, labels):
    return -torch.log(logits.exp() / logits.exp().sum(1, keepdim=True)).gather(1, labels[:, None]).squeeze(1)


def rewarding(self, logits, labels):
    return -CrossEntropy()(logits, labels)


def averaged(self, logits, labels):
    return CrossEntropy()(logits, labels).mean()


def shifting(self, logits, labels):
    losses = CrossEntropy()(logits, labels)
    logits -= logits.amax(1, keepdim=True)
    return losses


@pytest.mark.parametrize(
    ("call", "test"),
    [
        (of_the_batch, "test_examples_do_not_mix"),
        (naive, "test_gives_one_loss_an_example"),
        (averaged, "test_gives_one_loss_an_example"),
        (naive, "test_gradients_are_finite"),
        (rewarding, "test_higher_means_more_wrong"),
        (shifting, "test_leaves_its_inputs_alone"),
    ],
)
def test_broken_losses(call, test):
    @dataclass(frozen=True)
    class Broken(Loss):
        """Broken on purpose."""

        name = "broken"
        __call__ = call

    assert test in failures(LossSuite, Broken())


class Forgetful(torch.optim.SGD):
    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr)
        self.taken = 0

    def step(self, closure):
        self.taken += 1
        for group in self.param_groups:
            group["lr"] = 0.01 / self.taken
        return super().step(closure)


@pytest.mark.parametrize(
    ("build", "test"),
    [
        (lambda self, parameters, lr: torch.optim.SGD(parameters, lr=0.5), "test_uses_the_given_learning_rate"),
        (lambda self, parameters, lr: parameters, "test_uses_the_given_learning_rate"),
        (lambda self, parameters, lr: torch.optim.SGD(parameters, lr=lr, maximize=True), "test_follows_its_gradients"),
        (lambda self, parameters, lr: Forgetful(parameters, lr), "test_obeys_a_changed_learning_rate"),
        (lambda self, parameters, lr: Forgetful(parameters, lr), "test_resumes_from_its_state"),
    ],
)
def test_broken_optimizers(build, test):
    assert test in failures(OptimizerSuite, broken(Descent(lr=0.1), build=build))


def test_tiny_model_is_what_it_says():
    random_state = torch.get_rng_state()
    model = tiny_model(5, channels=1, seed=3, dtype=torch.float64)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert model.training
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    images, _ = tiny_batch(2, image_shape=(1, 7, 4), dtype=torch.float64)
    assert model(images).shape == (2, 5)
    assert torch.equal(model[0].weight, tiny_model(5, channels=1, seed=3, dtype=torch.float64)[0].weight)
    assert not torch.equal(model[0].weight, tiny_model(5, channels=1, seed=4, dtype=torch.float64)[0].weight)


def test_tiny_batch_is_what_it_says():
    images, labels = tiny_batch(5, num_classes=3, image_shape=(2, 6, 4))
    assert images.shape == (5, 2, 6, 4)
    assert images.dtype == torch.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert labels.tolist() == [0, 1, 2, 0, 1]
    assert not torch.equal(images, tiny_batch(5, image_shape=(2, 6, 4), seed=1)[0])
