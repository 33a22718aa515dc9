"""Stronger settings and attacks are stronger, example by example where that is certain."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import FGSM, PGD, Margin, Noise
from robustkit_attacks.ascent import Worst
from torch import nn

from robustkit import perturb

RADII = {"Linf": 0.15, "L2": 0.8, "L1": 3.0}


def worse_or_equal(worse, better):
    """A misclassified example before a classified one, then by loss; both are (broken, losses)."""
    return (worse[0] & ~better[0]) | ((worse[0] == better[0]) & (worse[1] >= better[1] - 1e-5))


def test_the_worst_is_kept():
    labels = torch.tensor([0, 0, 0])
    worst = Worst(torch.zeros(3, 1))
    right, wrong = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    steps = [  # image, logits of the three examples, losses
        (1.0, [right, wrong, right], [5.0, 1.0, 1.0]),
        (2.0, [wrong, right, right], [1.0, 9.0, 3.0]),  # misclassified beats a higher loss, in both directions
        (3.0, [wrong, wrong, right], [0.5, 2.0, 2.0]),  # between two alike the higher loss stays
    ]
    for image, logits, losses in steps:
        worst.consider(torch.full((3, 1), image), torch.stack(logits), torch.tensor(losses), labels)
    assert worst.images.flatten().tolist() == [2.0, 3.0, 2.0]


def test_best_is_kept_where_the_last_step_goes_too_far():
    class Peak(nn.Module):
        def forward(self, images):
            score = -((images.flatten(1).sum(1) - 0.57) ** 2)
            return torch.stack([torch.zeros_like(score), score], 1)

    images, labels = torch.full((1, 1, 1, 1), 0.5), torch.tensor([0])
    fields = {"eps": 0.1, "step_size": 0.08, "steps": 2, "random_start": False}
    assert perturb(PGD(**fields, keep="last"), Peak(), images, labels).item() == pytest.approx(0.5)
    assert perturb(PGD(**fields), Peak(), images, labels).item() == pytest.approx(0.58)
    one_more = PGD(**fields | {"steps": 1})
    assert perturb(one_more, Peak(), images, labels).item() == pytest.approx(0.58), "the last iterate counts too"


@pytest.mark.parametrize("norm", list(RADII))
@pytest.mark.parametrize("seed", [0, 1])
def test_best_is_never_weaker_than_last(digits, broken_by, norm, seed):
    fields = {"eps": RADII[norm], "norm": norm, "steps": 6, "step_size": RADII[norm]}
    best = broken_by(PGD(**fields), *digits, seed)
    last = broken_by(PGD(**fields, keep="last"), *digits, seed)
    assert worse_or_equal(best, last).all()
    assert best[1].sum() > last[1].sum()


@pytest.mark.parametrize("norm", list(RADII))
def test_restarts_are_never_weaker(digits, broken_by, norm):
    fields = {"eps": RADII[norm] / 2, "norm": norm, "steps": 3}
    once, thrice = (broken_by(PGD(**fields, restarts=restarts), *digits) for restarts in (1, 3))
    assert worse_or_equal(thrice, once).all()
    assert thrice[1].sum() > once[1].sum()


@pytest.mark.parametrize("norm", list(RADII))
def test_gradients_beat_noise(digits, broken_by, norm):
    natural, _ = broken_by(Noise(eps=0.0), *digits)
    noise, _ = broken_by(Noise(eps=RADII[norm], norm=norm, draws=20), *digits)
    pgd, _ = broken_by(PGD(eps=RADII[norm], norm=norm), *digits)
    assert natural.float().mean() < 0.15, "the network learnt too little to judge by"
    assert not (noise & ~pgd).any()
    assert pgd.sum() > 3 * noise.sum()


def test_pgd_beats_fgsm_beats_noise(digits, broken_by):
    noise, fgsm, pgd = (broken_by(kind(eps=0.15), *digits) for kind in (Noise, FGSM, PGD))
    assert noise[0].sum() < fgsm[0].sum() <= pgd[0].sum()
    assert noise[1].sum() < fgsm[1].sum() < pgd[1].sum()
    margin, _ = broken_by(PGD(eps=0.15, loss=Margin()), *digits)
    assert margin.sum() > noise[0].sum()


@pytest.mark.parametrize("norm", list(RADII))
def test_a_larger_budget_breaks_more_and_the_largest_breaks_all(digits, broken_by, norm):
    shares = [
        broken_by(PGD(eps=eps, norm=norm, steps=20), *digits)[0].float().mean().item()
        for eps in (RADII[norm] / 4, RADII[norm], {"Linf": 1.0, "L2": 8.0, "L1": 64.0}[norm])
    ]
    assert shares == sorted(shares)
    assert shares[0] < shares[1]
    assert shares[2] == 1.0
