"""FGSM, noise and the margin loss, by hand."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import FGSM, PGD, Margin, Noise
from torch import nn
from torch.nn import functional

from robustkit import perturb
from robustkit.errors import ComponentError
from robustkit.testing import AttackSuite, LossSuite, tiny_batch, tiny_model


class TestFGSM(AttackSuite):
    @pytest.fixture(autouse=True, params=[FGSM(eps="8/255"), FGSM(eps=0.1, random_start=True)], ids=repr)
    def configure(self, request):
        self.attack = request.param


class TestNoise(AttackSuite):
    @pytest.fixture(
        autouse=True, params=[Noise(eps=0.1), Noise(eps=1, norm="L2"), Noise(eps=5, norm="L1", draws=3)], ids=repr
    )
    def configure(self, request):
        self.attack = request.param


class TestMargin(LossSuite):
    loss = Margin()


class TestMarginOfTwoClasses(LossSuite):
    loss = Margin()
    num_classes = 2


def test_fgsm_by_hand():
    class Net(nn.Module):
        def forward(self, images):
            score = (images * torch.tensor([0.2, -0.1, 0.0, 0.3])).sum(1) ** 2
            return torch.stack([torch.zeros_like(score), score], 1)

    # Class 1's score is the square of (2a - b + 3d) / 10: its gradient has the sign of that times (2, -1, 0, 3).
    images = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.1, 0.9, 0.5, 0.05], [0.99, 0.01, 0.2, 0.97]])
    labels = torch.tensor([0, 0, 1])
    expected = torch.tensor([[0.6, 0.4, 0.5, 0.6], [0.0, 1.0, 0.5, 0.0], [0.89, 0.11, 0.2, 0.87]])
    torch.testing.assert_close(perturb(FGSM(eps=0.1), Net(), images, labels), expected)


def test_fgsm_is_one_pgd_step():
    model, (images, labels) = tiny_model(), tiny_batch()
    for random_start in (False, True):
        fgsm = FGSM(eps=0.1, random_start=random_start)
        pgd = PGD(eps=0.1, steps=1, step_size=0.1, keep="last", random_start=random_start)
        results = [perturb(attack, model, images, labels, seed=4) for attack in (fgsm, pgd)]
        assert torch.equal(*results)


def test_margin_by_hand():
    logits = torch.tensor([[1.0, 4.0, 2.5], [1.0, 4.0, 2.5], [-1.0, -2.0, -3.0]])
    assert Margin()(logits, torch.tensor([1, 2, 0])).tolist() == [-1.5, 1.5, -1.0]
    assert Margin()(torch.tensor([[3.0, 1.0]]), torch.tensor([0])).tolist() == [-2.0]


def test_margin_is_positive_exactly_where_the_example_is_misclassified():
    logits, labels = torch.randn(500, 7, dtype=torch.float64), torch.randint(7, (500,))
    assert torch.equal(Margin()(logits, labels) > 0, logits.argmax(1) != labels)


def test_margin_has_a_gradient_where_cross_entropy_has_none():
    logits = torch.tensor([[200.0, 0.0, 1.0]], requires_grad=True)
    labels = torch.tensor([0])
    flat = torch.autograd.grad(functional.cross_entropy(logits, labels), logits)[0]
    assert flat.count_nonzero() == 0
    assert torch.autograd.grad(Margin()(logits, labels).sum(), logits)[0].tolist() == [[-1.0, 0.0, 1.0]]


def test_pgd_with_the_margin_breaks_what_saturated_cross_entropy_cannot(digits, broken_by):
    """A network whose logits are a thousand times too large gives cross-entropy no gradient in float32."""
    model, images, labels = digits

    class Sure(nn.Module):
        def forward(self, images):
            return 1000 * model(images)

    by_cross_entropy, _ = broken_by(PGD(eps=0.15), Sure(), images, labels)
    by_margin, _ = broken_by(PGD(eps=0.15, loss=Margin()), Sure(), images, labels)
    assert by_margin.sum() > 1.5 * by_cross_entropy.sum()


def test_noise_keeps_the_worst_draw(digits, broken_by):
    model, images, labels = digits
    broken, losses = broken_by(Noise(eps=0.3), model, images, labels)
    for draws in (2, 20):
        more_broken, more_losses = broken_by(Noise(eps=0.3, draws=draws), model, images, labels)
        # Equal seeds: the first draw is the same, so no example can fare better.
        assert not (broken & ~more_broken).any()
        assert (more_losses >= losses - 1e-5)[broken == more_broken].all()
        broken, losses = more_broken, more_losses


def test_noise_and_fgsm_refuse_8_bit_units():
    for build in (lambda: Noise(eps=8), lambda: FGSM(eps=8)):
        with pytest.raises(ComponentError, match=r"eps: expected at most 1 in Linf, got 8.*write 8/255"):
            build()
    assert Noise(eps=8, norm="L1").budget.eps == 8


def test_fgsm_has_no_other_norm():
    with pytest.raises(TypeError, match="norm"):
        FGSM(eps=0.1, norm="L2")
