"""MIM against the textbook loop and torchattacks, CW against PGD."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import CW, MIM, PGD, Margin
from torch import nn
from torch.nn import functional

from robustkit import perturb
from robustkit.errors import ComponentError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model


class TestMIM(AttackSuite):
    @pytest.fixture(
        autouse=True,
        params=[
            MIM(eps="8/255", steps=3),
            MIM(eps=0.5, norm="L2", steps=3, keep="last", decay=0.5),
            MIM(eps="8/255", steps=3, keep="first", random_start=True, loss=Margin()),
        ],
        ids=repr,
    )
    def configure(self, request):
        self.attack = request.param


class TestCW(AttackSuite):
    @pytest.fixture(autouse=True, params=[CW(eps="8/255", steps=4), CW(eps=0.1, steps=2, restarts=2)], ids=repr)
    def configure(self, request):
        self.attack = request.param


class TestCWOfTwoClasses(TestCW):
    num_classes = 2


def textbook(model, images, labels, eps, steps, decay):
    adversarial, gathered = images.clone(), torch.zeros_like(images)
    for _ in range(steps):
        adversarial.requires_grad_()
        loss = functional.cross_entropy(model(adversarial), labels, reduction="sum")
        gradient = torch.autograd.grad(loss, adversarial)[0]
        gathered = decay * gathered + gradient / gradient.abs().sum((1, 2, 3), keepdim=True)
        adversarial = adversarial.detach() + eps / steps * gathered.sign()
        adversarial = adversarial.clamp(images - eps, images + eps).clamp(0, 1)
    return adversarial


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_equals_the_textbook_loop(decay):
    model, (images, labels) = tiny_model(dtype=torch.float64).eval(), tiny_batch(dtype=torch.float64)
    expected = textbook(model, images, labels, 0.1, 8, decay)
    ours = perturb(MIM(eps=0.1, steps=8, decay=decay, keep="last"), model, images, labels)
    torch.testing.assert_close(ours, expected, atol=1e-12, rtol=0)


def test_equals_torchattacks():
    torchattacks = pytest.importorskip("torchattacks")
    model, (images, labels) = tiny_model().eval(), tiny_batch()
    theirs = torchattacks.MIFGSM(model, eps=0.1, alpha=0.02, steps=7, decay=0.9)(images, labels)
    ours = perturb(MIM(eps=0.1, step_size=0.02, steps=7, decay=0.9, keep="last"), model, images, labels)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_gradients_that_squares_and_sums_lose_still_count():
    """A saturated network, whose gradients are of size 1e-40: divided by their sum they are as good as any."""

    class Faint(nn.Module):
        def forward(self, images):
            score = (images * torch.tensor([1.0, -2.0])).sum(1) * 1e-40
            return torch.stack([torch.zeros_like(score), score], 1)

    images = torch.full((1, 2), 0.5)
    adversarial = perturb(MIM(eps=0.1, steps=2, keep="last"), Faint(), images, torch.tensor([0]))
    torch.testing.assert_close(adversarial, torch.tensor([[0.6, 0.4]]))


def test_the_best_is_kept_and_the_first_breaks_the_same_examples(digits, broken_by):
    for norm, eps in (("Linf", 0.12), ("L2", 0.7)):
        last, best, first = (
            broken_by(MIM(eps=eps, norm=norm, step_size=eps, steps=6, keep=keep), *digits)
            for keep in ("last", "best", "first")
        )
        assert torch.equal(best[0], first[0])
        assert not (last[0] & ~best[0]).any()
        assert best[1].sum() > first[1].sum()
        assert best[1].sum() > last[1].sum()


def test_cw_is_pgd_on_the_margin(digits):
    ours = perturb(CW(eps=0.1, steps=12, restarts=2), *digits, seed=5)
    pgd = PGD(eps=0.1, steps=12, step_size=0.025, restarts=2, keep="first", loss=Margin())
    assert torch.equal(ours, perturb(pgd, *digits, seed=5))


def test_cw_breaks_a_network_that_is_sure_of_itself(digits, broken_by):
    model, images, labels = digits

    class Sure(nn.Module):
        def forward(self, images):
            return 1000 * model(images)

    by_margin, _ = broken_by(CW(eps=0.15), Sure(), images, labels)
    by_cross_entropy, _ = broken_by(PGD(eps=0.15, steps=30), Sure(), images, labels)
    assert by_margin.sum() > 1.5 * by_cross_entropy.sum()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MIM(eps=8), r"mim: eps: expected at most 1 in Linf.*8/255"),
        (lambda: MIM(eps=0.1, step_size=2), r"mim: step_size: expected at most 1 in Linf"),
        (lambda: MIM(eps=1, norm="L1"), r"mim: norm: expected 'Linf' or 'L2'"),
        (lambda: MIM(eps=0.1, decay=-1), r"mim: decay: expected"),
        (lambda: CW(eps=8), r"cw: eps: expected at most 1 in Linf.*8/255"),
    ],
)
def test_settings_that_make_no_sense_are_refused(build, message):
    with pytest.raises(ComponentError, match=message):
        build()


def test_eps_0_returns_the_images():
    images, labels = tiny_batch()
    for attack in (MIM(eps=0), MIM(eps=0, norm="L2", keep="last"), CW(eps=0)):
        assert torch.equal(perturb(attack, tiny_model(), images, labels), images)
