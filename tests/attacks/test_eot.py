"""EOT: on a network that always answers alike it changes nothing, on one that does not it sees through the noise."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import APGDCE, EOT, FGSM, MIM, PGD, Noise
from robustkit_attacks.eot import Averaged
from torch import nn

from robustkit import Budget, perturb
from robustkit.errors import AttackError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model


class TestEOT(AttackSuite):
    @pytest.fixture(
        autouse=True,
        params=[
            EOT(attack=PGD(eps="8/255", steps=2), samples=3),
            EOT(attack=APGDCE(eps=0.5, norm="L2", steps=2), samples=2),
            EOT(attack=EOT(attack=Noise(eps=0.1), samples=2), samples=1),
        ],
        ids=repr,
    )
    def configure(self, request):
        self.attack = request.param


@pytest.mark.parametrize("attack", [MIM(eps=0.1), APGDCE(eps=0.1, steps=6), Noise(eps=0.1, draws=2)], ids=repr)
def test_on_a_deterministic_network_it_is_the_inner_attack(attack):
    model, (images, labels) = tiny_model(dtype=torch.float64), tiny_batch(dtype=torch.float64)
    plain = perturb(attack, model, images, labels, seed=0)
    averaged = perturb(EOT(attack=attack, samples=3), model, images, labels, seed=0)
    torch.testing.assert_close(averaged, plain, atol=1e-9, rtol=0)


class Weighted(nn.Module):
    """Class 1 scores the image times weights that are drawn anew in every pass, around a mean."""

    def __init__(self, spread):
        super().__init__()
        self.spread, self.passes = spread, []

    def forward(self, images):
        self.passes.append(torch.is_grad_enabled())
        score = (images * (1.0 + self.spread * torch.randn(images.shape[1]))).sum(1)
        return torch.stack([torch.zeros_like(score), score], 1)


def test_logits_and_gradients_are_means_over_passes():
    images = torch.full((1, 400), 0.5, requires_grad=True)
    model = Weighted(spread=3.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        logits = Averaged(model, 64)(images)
        gradient = torch.autograd.grad(logits[0, 1], images)[0]
    assert model.passes == [False] * 64 + [True] * 64
    assert logits[0, 1].item() == pytest.approx(200.0, abs=4 * 3 * 0.5 * 20 / 8)
    assert gradient.mean().item() == pytest.approx(1.0, abs=4 * 3 / 8 / 20)
    assert gradient.std().item() == pytest.approx(3.0 / 8, rel=0.2)


def test_it_moves_where_the_mean_says():
    images, labels = torch.full((1, 400), 0.5), torch.tensor([0])
    rights = []
    for samples in (1, 64):
        attack = EOT(attack=FGSM(eps=0.1), samples=samples)
        rights.append((perturb(attack, Weighted(spread=3.0), images, labels, seed=0) > 0.5).float().mean().item())
    assert rights[0] == pytest.approx(0.63, abs=0.08), "with one pass the sign is that of a normal of mean 1/3"
    assert rights[1] > 0.98


def test_memory_is_that_of_one_pass():
    """Nothing is kept between passes: as many graphs are alive at once with 2 samples as with 20."""
    alive, most = set(), []

    class Counted(nn.Module):
        def forward(self, images):
            scores = images.flatten(1)[:, :2] * 2.0
            if scores.grad_fn is not None:
                key = id(scores.grad_fn)
                alive.add(key)
                most.append(len(alive))
                scores.register_hook(lambda gradient: alive.discard(key))
            return scores

    images, labels = tiny_batch(2, num_classes=2)
    perturb(EOT(attack=FGSM(eps=0.1), samples=20), Counted(), images, labels)
    assert len(most) == 20
    assert max(most) == 1


def test_budget_is_the_inner_attacks():
    assert EOT(attack=PGD(eps=0.5, norm="L2")).budget == Budget("L2", 0.5)


def test_a_model_without_gradients_is_reported():
    class Detached(nn.Module):
        def forward(self, images):
            return images.detach().flatten(1)[:, :3]

    with pytest.raises(AttackError, match="no gradient with respect to the images"):
        perturb(EOT(attack=PGD(eps=0.1), samples=2), Detached(), torch.rand(1, 1, 2, 2), torch.tensor([0]))
