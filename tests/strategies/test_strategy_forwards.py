"""How strategies use the network: which forwards, what BatchNorm sees of them, and what the attack is given."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from known_logits import Whiten
from robustkit_adversarial.adversarial import Adversarial
from robustkit_adversarial.joint import Joint
from robustkit_adversarial.mart import MART
from robustkit_adversarial.trades import TRADES
from robustkit_natural import Natural
from torch import nn

from robustkit import Attack
from robustkit.attacking.door import attack_seeds, perturb
from robustkit.testing import tiny_batch, tiny_model


@dataclass(frozen=True)
class Spy(Attack):
    """Checks what it is given, and darkens images by a tenth."""

    name = "spy"

    @property
    def budget(self):
        return None

    def __call__(self, model, images, labels):
        assert not any(module.training for module in model.modules())
        assert not any(parameter.requires_grad for parameter in model.parameters())
        assert labels.dtype == torch.int64
        return images * 0.9


@dataclass(frozen=True)
class Broken(Attack):
    """Raises."""

    name = "broken"

    @property
    def budget(self):
        return None

    def __call__(self, model, images, labels):
        raise RuntimeError("on purpose")


FORWARDS = {
    Natural(): [1.0],
    Adversarial(attack=Spy()): [0.9],
    Joint(attack=Spy()): ["both"],
    Joint(attack=Spy(), batch_norm="separate"): [1.0, 0.9],
    MART(attack=Spy()): [1.0, 0.9],
}


@pytest.mark.parametrize("strategy", FORWARDS, ids=repr)
def test_forwards_in_train_mode(strategy):
    images, labels = tiny_batch(6)
    model, seen = tiny_model(), []
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]) if module.training else None)
    strategy.loss(model, images, labels)
    both = torch.cat([images, images * 0.9])
    expected = [both if factor == "both" else images * factor for factor in FORWARDS[strategy]]
    assert len(seen) == len(expected)
    for given, wanted in zip(seen, expected, strict=True):
        torch.testing.assert_close(given, wanted)


def test_trades_forwards_clean_images_and_then_those_of_its_attack():
    images, labels = tiny_batch(6)
    strategy, model, seen = TRADES(steps=2), tiny_model(), []
    with attack_seeds(7):
        expected = perturb(strategy.attack, tiny_model(), images, labels)
    model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]) if module.training else None)
    with attack_seeds(7):
        strategy.loss(model, images, labels)
    assert [torch.equal(*pair) for pair in zip(seen, (images, expected), strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("strategy", "batches"), [(Joint(attack=Spy()), 1), (Joint(attack=Spy(), batch_norm="separate"), 2), (TRADES(), 2)]
)
def test_running_statistics_move_with_every_forward(strategy, batches):
    model = tiny_model()
    strategy.loss(model, *tiny_batch())
    assert model[1].num_batches_tracked == batches


def test_mixed_batch_norm_sees_one_batch_and_separate_two():
    images, labels = tiny_batch()
    losses = {}
    for batch_norm in ("mixed", "separate"):
        model = nn.Sequential(nn.BatchNorm2d(3, affine=False), nn.Flatten(), nn.Linear(192, 10))
        with torch.no_grad():
            model[2].weight.copy_(torch.linspace(-1, 1, 1920).view(10, 192))
            model[2].bias.zero_()
        losses[batch_norm] = Joint(attack=Whiten(), batch_norm=batch_norm).loss(model, images, labels)
    assert not torch.isclose(*losses.values())


def test_the_network_is_restored_when_the_attack_raises():
    model = tiny_model()
    model[1].eval()
    with pytest.raises(RuntimeError, match="on purpose"):
        Adversarial(attack=Broken()).loss(model, *tiny_batch())
    assert model.training
    assert not model[1].training
    assert all(parameter.requires_grad for parameter in model.parameters())
