"""Auto-PGD, MIM and CW on networks whose smallest perturbation is known: 1 % beyond it they find one."""

from __future__ import annotations

import pytest
import torch
from known_radius import many_classes, two_classes, valley
from robustkit_attacks import APGDCE, APGDDLR, CW, MIM, APGDTargeted

from robustkit import perturb

NORMS = ["Linf", "L2", "L1"]
APGD = [APGDCE, APGDDLR, APGDTargeted]


def breaks(attack, model, images, labels):
    return model(perturb(attack, model, images, labels, seed=0)).argmax(1) != labels


def zeros(images):
    return torch.zeros(len(images), dtype=torch.int64)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", APGD)
def test_two_classes_with_pixels_at_their_limits(kind, norm):
    for model, image, radius in zip(*two_classes(norm), strict=True):
        images = image.unsqueeze(0)
        assert breaks(kind(eps=1.01 * radius, norm=norm), model, images, zeros(images)).all()
        assert not breaks(kind(eps=0.99 * radius, norm=norm), model, images, zeros(images)).any()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("classes", [3, 4, 10])
def test_the_nearest_of_many_classes_is_found(norm, classes):
    model, images, labels, radii = many_classes(norm, classes)
    for image, label, radius in zip(images, labels, radii.tolist(), strict=True):
        one = image.unsqueeze(0), label.unsqueeze(0)
        assert breaks(APGDTargeted(eps=1.01 * radius, norm=norm, targets=9), model, *one).all()
        assert not breaks(APGDTargeted(eps=0.99 * radius, norm=norm, targets=9), model, *one).any()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", APGD)
def test_valley(kind, norm):
    model, images, radius = valley(norm)
    assert breaks(kind(eps=1.01 * radius, norm=norm, steps=300), model, images, zeros(images)).all()
    assert not breaks(kind(eps=0.99 * radius, norm=norm), model, images, zeros(images)).any()


def test_mim_and_cw():
    for model, image, radius in zip(*two_classes("Linf"), strict=True):
        images = image.unsqueeze(0)
        for kind in (MIM, CW):
            assert breaks(kind(eps=1.01 * radius), model, images, zeros(images)).all()
            assert not breaks(kind(eps=0.99 * radius), model, images, zeros(images)).any()


def test_mim_in_l2():
    model, images, labels, radii = many_classes("L2", classes=2)
    for image, label, radius in zip(images, labels, radii.tolist(), strict=True):
        one = image.unsqueeze(0), label.unsqueeze(0)
        assert breaks(MIM(eps=1.01 * radius, norm="L2"), model, *one).all()
        assert not breaks(MIM(eps=0.99 * radius, norm="L2"), model, *one).any()
