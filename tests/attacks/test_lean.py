"""Attacks see a network that computes the same with less work, and the network itself is as it was."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass

import pytest
import torch
from robustkit_attacks import PGD
from torch import nn

from robustkit import Attack, make, perturb
from robustkit.attacking.lean import AttackArithmetic, attack_arithmetic, lean
from robustkit.testing.tiny import tiny_batch, tiny_model

FOLDED = AttackArithmetic(fold_batch_norm=True)
LOW = AttackArithmetic("bfloat16", fold_batch_norm=True)
WAYS = [FOLDED, AttackArithmetic("bfloat16"), LOW]


def trained(model, images):
    """BatchNorm has seen images, so that folding it is no identity; then eval mode."""
    with torch.no_grad():
        for _ in range(5):
            model.train()(images)
    return model.eval()


@pytest.mark.parametrize("name", ["resnet18", "preactresnet18", "small-cnn"])
def test_a_folded_network_is_the_same_function(name):
    images, labels = tiny_batch(image_shape=(3, 16, 16), dtype=torch.float64)
    model = trained(make("architecture", name).build(10, (3, 16, 16)).double(), images)
    attack = PGD(eps=0.1, step_size=0.02, steps=4, keep="last")
    expected = perturb(attack, model, images, labels, seed=1)
    with attack_arithmetic(FOLDED):
        torch.testing.assert_close(perturb(attack, model, images, labels, seed=1), expected, rtol=0, atol=1e-12)


def test_it_follows_the_weights_and_statistics():
    images, labels = tiny_batch(dtype=torch.float64)
    model = trained(tiny_model(dtype=torch.float64), images)
    attack = PGD(eps=0.1, steps=3, keep="last")
    for _ in range(3):
        with torch.no_grad():
            model[0].weight.mul_(-1.1)
            model[1].running_mean.add_(0.3)
        expected = perturb(attack, model, images, labels, seed=1)
        with attack_arithmetic(FOLDED):
            torch.testing.assert_close(perturb(attack, model, images, labels, seed=1), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("channels_last", [True, False])
def test_bfloat16_logits_come_in_the_images_type_and_are_near(way, channels_last):
    images, _ = tiny_batch()
    model = trained(tiny_model(), images)
    if channels_last:
        model.to(memory_format=torch.channels_last)
    with torch.no_grad(), attack_arithmetic(way), lean(model, images) as network:
        logits = network(images)
    assert logits.dtype == torch.float32
    expected = model(images)
    assert not torch.equal(logits, expected)
    torch.testing.assert_close(logits, expected, rtol=0.02, atol=0.02)


@dataclass(frozen=True)
class Looks(Attack):
    """Writes down the types of what the network computes with, and may raise."""

    name = "looks"
    raises: bool = False

    @property
    def budget(self):
        return None

    def __call__(self, model, images, labels):
        SEEN.append({name: parameter.dtype for name, parameter in model.named_parameters()})
        assert not any(module.training for module in model.modules())
        if self.raises:
            raise ArithmeticError("planned")
        return images


SEEN: list = []


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_the_model_gets_its_own_weights_back(way, raises, mixed_model, mixed_batch):
    parameters = dict(mixed_model.named_parameters())
    modes = {name: module.training for name, module in mixed_model.named_modules()}
    values = {name: tensor.clone() for name, tensor in mixed_model.state_dict().items()}
    SEEN.clear()
    with attack_arithmetic(way):
        if raises:
            with pytest.raises(ArithmeticError, match="planned"):
                perturb(Looks(raises=True), mixed_model, *mixed_batch)
        else:
            perturb(Looks(), mixed_model, *mixed_batch)
    assert all(now is parameters[name] for name, now in mixed_model.named_parameters())
    assert all("forward" not in vars(module) for module in mixed_model.modules())
    assert {name: module.training for name, module in mixed_model.named_modules()} == modes
    torch.testing.assert_close(dict(mixed_model.state_dict()), values, rtol=0, atol=0)
    (seen,) = SEEN
    low = way.precision == "bfloat16"
    prefix = "model." if low else ""
    assert seen[f"{prefix}4.weight"] == (torch.bfloat16 if low else torch.float32)
    assert seen[f"{prefix}0.1.weight"] == torch.float32  # BatchNorm is never cast


class Tempered(nn.Module):
    """Its forward reads a plain attribute, and runs Python of its own."""

    def __init__(self):
        super().__init__()
        self.network, self.temperature = tiny_model(), 1.0

    def forward(self, images):
        return self.network(images) / self.temperature


def test_the_models_own_forward_runs():
    images, _ = tiny_batch()
    model = Tempered().eval()
    for temperature in (1.0, 4.0):
        model.temperature = temperature
        with torch.no_grad(), attack_arithmetic(FOLDED), lean(model, images) as network:
            torch.testing.assert_close(network(images), model.network(images) / temperature)


def test_a_changed_network_is_looked_at_anew():
    images, _ = tiny_batch()
    model = trained(tiny_model(), images)
    with torch.no_grad(), attack_arithmetic(FOLDED):
        with lean(model, images) as network:
            network(images)
        model[0] = nn.Conv2d(3, 8, 1).eval()
        with lean(model, images) as network:
            folded = network(images)
    torch.testing.assert_close(folded, model(images))


@dataclass(frozen=True)
class Nested(Attack):
    """Runs another attack on the same network through the door."""

    name = "nested"

    @property
    def budget(self):
        return None

    def __call__(self, model, images, labels):
        inner = perturb(PGD(eps=0.1, steps=2, keep="last"), model, images, labels, seed=3)
        with torch.no_grad():
            SEEN.append(model(images))
        return inner


def test_an_attack_within_an_attack_folds_once():
    images, labels = tiny_batch(dtype=torch.float64)
    model = trained(tiny_model(dtype=torch.float64), images)
    expected = perturb(PGD(eps=0.1, steps=2, keep="last"), model, images, labels, seed=3)
    SEEN.clear()
    with attack_arithmetic(FOLDED):
        found = perturb(Nested(), model, images, labels)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(SEEN[0], model(images), rtol=1e-10, atol=1e-10)


def test_nothing_keeps_a_network_alive():
    images, labels = tiny_batch()
    model = tiny_model()
    with attack_arithmetic(LOW):
        perturb(PGD(eps=0.1, steps=1), model, images, labels)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_autocast_around_the_door_changes_no_attack():
    """The training pass may be in bfloat16 while the attack is asked for in full precision."""
    images, labels = tiny_batch()
    model = tiny_model()
    attack = PGD(eps=0.1, steps=3, keep="last")
    expected = perturb(attack, model, images, labels, seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(perturb(attack, model, images, labels, seed=1), expected)


@pytest.mark.slow
def test_a_compiled_network_is_the_same_function():
    images, labels = tiny_batch(dtype=torch.float64)
    model = trained(tiny_model(dtype=torch.float64), images)
    attack = PGD(eps=0.1, steps=3, keep="last")
    for factor in (1.0, 1.5):
        with torch.no_grad():
            model[0].weight.mul_(factor)
        expected = perturb(attack, model, images, labels, seed=1)
        with attack_arithmetic(AttackArithmetic(fold_batch_norm=True, compile=True)):
            torch.testing.assert_close(perturb(attack, model, images, labels, seed=1), expected, rtol=0, atol=1e-12)
