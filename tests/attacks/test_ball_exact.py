"""PGD, FGSM, MIM, CW and what is built on them, where the smallest radius is known: broken 1 % above, not 1 % below.

Auto-PGD is in `test_apgd_exact`, AutoAttack in `test_autoattack`, and who looks for the radius in `test_minimal_exact`.
Not within 1 %, by their nature: `noise`; `square` in L2, whose tiles a plane does not reward; `fgsm` where boundaries
have several pieces; untargeted attacks where the nearest class is not the one whose score rises first.
"""

from __future__ import annotations

import pytest
import torch
from known_radius import Linear, images_and_weights, linear_radius, many_classes, two_classes, valley
from robustkit_attacks import CW, EOT, FGSM, MIM, PGD, AutoAttack, Margin, Noise, Square, Transfer

from robustkit import perturb

LONG = {"steps": 600, "random_start": False}
PLANES = {
    "fgsm": lambda eps: FGSM(eps=eps),
    "pgd": lambda eps: PGD(eps=eps, steps=50),
    "pgd, margin": lambda eps: PGD(eps=eps, steps=50, loss=Margin(), restarts=2, keep="first"),
    "pgd, last": lambda eps: PGD(eps=eps, steps=50, keep="last"),
    "mim": lambda eps: MIM(eps=eps),
    "cw": lambda eps: CW(eps=eps),
    "eot": lambda eps: EOT(PGD(eps=eps, steps=50), samples=2),
    "transfer": lambda eps: Transfer(PGD(eps=eps, steps=50), "itself"),
    "pgd, L2": lambda eps: PGD(eps=eps, norm="L2", steps=100),
    "mim, L2": lambda eps: MIM(eps=eps, norm="L2", steps=200, step_size=eps / 50),
}
VALLEYS = {
    "pgd": lambda eps: PGD(eps=eps, **LONG),
    "mim": lambda eps: MIM(eps=eps),
    "cw": lambda eps: CW(eps=eps, steps=300, step_size=eps / 50),
    "eot": lambda eps: EOT(PGD(eps=eps, **LONG), samples=2),
    "transfer": lambda eps: Transfer(PGD(eps=eps, **LONG), "itself"),
    "pgd, L2": lambda eps: PGD(eps=eps, norm="L2", step_size=eps / 200, **LONG),
    "mim, L2": lambda eps: MIM(eps=eps, norm="L2", steps=600, step_size=eps / 200, decay=0.0),
    "pgd, L1": lambda eps: PGD(eps=eps, norm="L1", step_size=eps / 200, sparsity=0.01, keep="first", **LONG),
    "autoattack": lambda eps: AutoAttack(eps=eps, queries=20),
    "autoattack, L2": lambda eps: AutoAttack(eps=eps, norm="L2", queries=20),
}


@pytest.fixture
def breaks(monkeypatch):
    """Whether an attack breaks one image; `transfer` crafts on the same model."""

    def tried(attack, model, image, label=0):
        monkeypatch.setattr("robustkit_attacks.transfer._loaded", lambda *_: model)
        labels = torch.tensor([int(label)])
        found = perturb(attack, model, image.unsqueeze(0), labels, seed=0)
        return (model(found).argmax(1) != labels).item()

    return tried


def norm_of(name):
    return next((norm for norm in ("L2", "L1") if name.endswith(norm)), "Linf")


@pytest.mark.parametrize("name", PLANES)
def test_planes(name, breaks):
    """Two classes; in the first cases many pixels are at their limits."""
    make, norm = PLANES[name], norm_of(name)
    model, images, labels, radii = many_classes(norm, classes=2)
    cases = [(*case, 0) for case in zip(*two_classes(norm), strict=True)]
    cases += [(model, *case) for case in zip(images[:3], radii[:3].tolist(), labels[:3], strict=True)]
    for network, image, radius, label in cases:
        assert breaks(make(1.01 * radius), network, image, label)
        assert not breaks(make(0.99 * radius), network, image, label)


@pytest.mark.parametrize("name", VALLEYS)
def test_valleys(name, breaks):
    """All pieces must be raised at once, and the gradient shows only the lowest."""
    model, images, radius = valley(norm_of(name))
    assert breaks(VALLEYS[name](1.01 * radius), model, images[0])
    assert not breaks(VALLEYS[name](0.99 * radius), model, images[0])


def test_pgd_in_l1_where_no_pixel_is_near_its_limits(breaks):
    """Its projection knows the limits only afterwards; `apgd-ce` is made for where they count."""
    _, (_, weights) = images_and_weights(classes=2)
    image = torch.full(weights.shape, 0.5).double()
    need = 0.4 * weights.abs().max()
    offsets = torch.stack([torch.zeros(()).double(), -(weights * image).sum() - need])
    model = Linear(torch.stack([torch.zeros_like(weights), weights]), offsets)
    radius = linear_radius(weights, image, need, "L1")
    assert radius == pytest.approx(0.4)
    for factor in (1.01, 0.99):
        attack = PGD(eps=factor * radius, norm="L1", steps=100, sparsity=0.01, keep="first")
        assert breaks(attack, model, image) == (factor > 1)


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_noise_breaks_nothing_below_and_all_far_above(norm, breaks):
    for model, image, radius in zip(*two_classes(norm), strict=True):
        assert not breaks(Noise(eps=0.99 * radius, norm=norm, draws=200), model, image)
    model, images, radius = valley(norm)
    assert not breaks(Noise(eps=0.99 * radius, norm=norm, draws=200), model, images[0])
    far = {"Linf": 5, "L2": 12, "L1": 100}[norm] * radius
    assert breaks(Noise(eps=far, norm=norm, draws=2000), model, images[0])


def test_square_in_l2_breaks_nothing_below_and_planes_at_three_times_the_radius(breaks):
    for model, image, radius in zip(*two_classes("L2"), strict=True):
        assert breaks(Square(eps=3 * radius, norm="L2", queries=1000), model, image)
        assert not breaks(Square(eps=0.99 * radius, norm="L2", queries=1000), model, image)
