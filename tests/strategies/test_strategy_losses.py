"""Each strategy's loss against numbers worked out by hand, and its gradients against differences."""

from __future__ import annotations

from math import log

import pytest
import torch
from known_logits import KnownLogits, Whiten, black, from_probabilities
from robustkit_adversarial.adversarial import Adversarial
from robustkit_adversarial.divergence import kl_divergence
from robustkit_adversarial.joint import Joint
from robustkit_adversarial.mart import MART, boosted_cross_entropy
from robustkit_adversarial.trades import TRADES
from robustkit_natural import Natural

from robustkit import CrossEntropy

NATURAL = [(0.7, 0.2, 0.1), (0.2, 0.5, 0.3)]
ADVERSARIAL = [(0.5, 0.3, 0.2), (0.6, 0.3, 0.1)]
LABELS = torch.tensor([0, 1])
NATURAL_CE = (-log(0.7) - log(0.5)) / 2
ADVERSARIAL_CE = (-log(0.5) - log(0.3)) / 2
DIVERGENCES = [
    0.7 * log(0.7 / 0.5) + 0.2 * log(0.2 / 0.3) + 0.1 * log(0.1 / 0.2),
    0.2 * log(0.2 / 0.6) + 0.5 * log(0.5 / 0.3) + 0.3 * log(0.3 / 0.1),
]


class WhiteningTRADES(TRADES):
    """TRADES's loss on white images in place of those that its own attack finds."""

    @property
    def attack(self):
        return Whiten()


def model():
    return KnownLogits(from_probabilities(*NATURAL), from_probabilities(*ADVERSARIAL))


def close(expected):
    return pytest.approx(expected, abs=1e-12)


def loss_of(strategy):
    return strategy.loss(model(), black(2), LABELS).item()


def test_natural():
    assert loss_of(Natural()) == close(NATURAL_CE)


def test_natural_takes_another_criterion():
    smoothing = [0.9 * -log(p[y]) + 0.1 * sum(-log(q) for q in p) / 3 for p, y in zip(NATURAL, (0, 1), strict=True)]
    assert loss_of(Natural(criterion=CrossEntropy(label_smoothing=0.1))) == close(sum(smoothing) / 2)


def test_adversarial():
    assert loss_of(Adversarial(attack=Whiten())) == close(ADVERSARIAL_CE)


@pytest.mark.parametrize("batch_norm", ["mixed", "separate"])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_joint(share, batch_norm):
    expected = share * NATURAL_CE + (1 - share) * ADVERSARIAL_CE
    assert loss_of(Joint(attack=Whiten(), natural_share=share, batch_norm=batch_norm)) == close(expected)


@pytest.mark.parametrize("beta", [0.0, 1.0, 6.0])
def test_trades(beta):
    assert loss_of(WhiteningTRADES(beta=beta)) == close(NATURAL_CE + beta * sum(DIVERGENCES) / 2)


@pytest.mark.parametrize("weight", [0.0, 5.0])
def test_mart(weight):
    first = -log(0.5) - log(1 - 0.3) + weight * DIVERGENCES[0] * (1 - 0.7)
    second = -log(0.3) - log(1 - 0.6) + weight * DIVERGENCES[1] * (1 - 0.5)  # the attack makes class 0 the likeliest
    assert loss_of(MART(attack=Whiten(), weight=weight)) == close((first + second) / 2)


def test_mart_is_the_released_code_up_to_its_constants():
    generator = torch.Generator().manual_seed(0)
    natural, adversarial = (torch.randn(16, 10, generator=generator, dtype=torch.float64) for _ in range(2))
    labels = torch.arange(16) % 10
    p, q = natural.softmax(1), adversarial.softmax(1)
    best, second = q.sort(dim=1, descending=True).indices[:, :2].T
    other = torch.where(best == labels, second, best)
    rows = torch.arange(16)
    boosted = -torch.log(q[rows, labels]) - torch.log(1.0001 - q[rows, other] + 1e-12)
    divergence = (p * (p.log() - torch.log(q + 1e-12))).sum(1) * (1.0000001 - p[rows, labels])
    expected = (boosted + 5.0 * divergence).mean()
    loss = MART(attack=Whiten()).loss(KnownLogits(natural, adversarial), black(16), labels)
    assert loss.item() == pytest.approx(expected.item(), abs=2e-4)


def test_mart_with_two_classes_counts_the_label_twice():
    losses = boosted_cross_entropy(from_probabilities((0.8, 0.2), (0.9, 0.1)), torch.tensor([0, 1]))
    assert losses.tolist() == close([-2 * log(0.8), -2 * log(0.1)])


@pytest.mark.parametrize("strategy", [WhiteningTRADES(), MART(attack=Whiten()), Joint(attack=Whiten())], ids=repr)
def test_gradients_reach_both_predictions(strategy):
    def loss(natural, adversarial):
        network = KnownLogits(natural, adversarial)
        del network.natural, network.adversarial
        network.natural, network.adversarial = natural, adversarial
        return strategy.loss(network, black(2), LABELS)

    inputs = [from_probabilities(*rows).requires_grad_() for rows in (NATURAL, ADVERSARIAL)]
    assert torch.autograd.gradcheck(loss, inputs, eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("strategy", [WhiteningTRADES(), MART(attack=Whiten())], ids=repr)
@pytest.mark.parametrize("size", [100.0, 1e4])
def test_confident_predictions_stay_finite(strategy, size):
    network = KnownLogits(size * torch.tensor([[1.0, 0.0, -1.0]]), size * torch.tensor([[-1.0, 0.0, 1.0]]))
    loss = strategy.loss(network, black(1).float(), torch.tensor([0]))
    loss.backward()
    assert loss.isfinite()
    assert network.natural.grad.isfinite().all()
    assert network.adversarial.grad.isfinite().all()


def test_boosted_cross_entropy_near_certainty():
    logits = torch.tensor([[0.0, 60.0, 0.0]], dtype=torch.float64)
    # p(1) is 1 - 2 exp(-60), which a float64 cannot tell from 1; -log(1 - p(1)) is 60 - log 2 all the same
    assert boosted_cross_entropy(logits, torch.tensor([0])).item() == close(60.0 + 60.0 - log(2))


def test_kl_divergence_of_equal_predictions_is_zero():
    logits = from_probabilities(*NATURAL)
    assert kl_divergence(logits, logits + 7.0).tolist() == close([0.0, 0.0])
    assert kl_divergence(logits, from_probabilities(*ADVERSARIAL)).tolist() == close(DIVERGENCES)
