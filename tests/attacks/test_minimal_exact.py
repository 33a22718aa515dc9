"""FAB, DeepFool, CW-L2 and Square on networks whose smallest perturbation is known: they find it within 1 %."""

from __future__ import annotations

import pytest
import torch
from known_radius import Linear, many_classes, two_classes, valley
from robustkit_attacks import CWL2, FAB, DeepFool, FABTargeted, Square

from robustkit import perturb

NORMS = ["Linf", "L2", "L1"]
ORDERS = {"Linf": torch.inf, "L2": 2, "L1": 1}
FABS = [FAB, FABTargeted]


def norms(attack, model, images, labels):
    """Of the perturbations; infinite where the example is not misclassified."""
    found = perturb(attack, model, images, labels, seed=0)
    lengths = torch.linalg.vector_norm((found - images).flatten(1), ORDERS[attack.norm], dim=1)
    return torch.where(model(found).argmax(1) != labels, lengths, torch.inf)


def ratios_on_planes(attack):
    """Norms found over smallest norms, for two classes; many pixels meet the limits of [0, 1]."""
    found = []
    for model, image, radius in zip(*two_classes(attack.norm), strict=True):
        found.append(norms(attack, model, image.unsqueeze(0), torch.zeros(1, dtype=torch.int64)) / radius)
    return torch.cat(found)


def ratios_among_classes(attack, classes):
    model, images, labels, radii = many_classes(attack.norm, classes)
    return norms(attack, model, images, labels) / radii


def ratio_in_valley(attack):
    model, images, radius = valley(attack.norm)
    return norms(attack, model, images, torch.zeros(1, dtype=torch.int64)) / radius


def assert_close(ratios, expected=1.0, within=0.01):
    assert (ratios > expected * (1 - 1e-6)).all(), ratios
    assert (ratios < expected * (1 + within)).all(), ratios


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", FABS)
def test_fab(kind, norm):
    attack = kind(norm=norm)
    assert_close(ratios_on_planes(attack))
    assert_close(ratio_in_valley(attack))
    for classes in (2, 3, 4, 10):
        assert_close(ratios_among_classes(attack, classes))


@pytest.mark.parametrize("norm", NORMS)
def test_fab_needs_few_steps_on_planes(norm):
    """Two steps and the final search: the boundary is exactly where it seems to be."""
    assert_close(ratios_among_classes(FAB(norm=norm, steps=2), 10))


def likely_but_far():
    """Class 1 is likelier than class 2, but farther away: 0.1 * 5 ** 0.5 and 0.04 * 5 ** 0.5 in L2."""
    weights = torch.zeros(3, 10).double()
    weights[1, :5], weights[2, 5:] = 1.0, 10.0
    model = Linear(weights, -(weights @ torch.full((10,), 0.5).double()) - torch.tensor([0.0, 0.5, 2.0]))
    return model, torch.full((1, 10), 0.5).double(), torch.zeros(1, dtype=torch.int64)


@pytest.mark.parametrize(
    ("narrow", "wide"), [(FABTargeted(norm="L2", targets=1), FABTargeted(norm="L2")), (DeepFool(classes=2), DeepFool())]
)
def test_only_so_many_of_the_likeliest_classes_are_considered(narrow, wide):
    far, near = norms(narrow, *likely_but_far()).item(), norms(wide, *likely_but_far()).item()
    assert far == pytest.approx(0.1 * 5**0.5, rel=0.021)
    assert near == pytest.approx(0.04 * 5**0.5, rel=0.021)


@pytest.mark.parametrize("norm", NORMS)
def test_deepfool(norm):
    attack = DeepFool(norm=norm)
    assert_close(ratios_on_planes(attack))
    assert_close(ratio_in_valley(attack))
    for classes in (2, 3, 4, 10):
        assert_close(ratios_among_classes(attack, classes))


@pytest.mark.parametrize("norm", NORMS)
def test_deepfool_without_a_search_ends_by_its_overshoot_beyond_the_boundary(norm):
    for overshoot in (0.02, 0.1):
        attack = DeepFool(norm=norm, overshoot=overshoot, search_steps=0)
        ratios = ratios_among_classes(attack, 10)
        if norm == "L1":  # there, pixels move so far that some meet the limits of [0, 1] on the overshoot
            assert (ratios > 1).all()
            ratios = ratios.clamp_min(1 + overshoot)
        assert_close(ratios, 1 + overshoot, within=1e-6)
        assert_close(ratio_in_valley(attack), 1 + overshoot, within=1e-6)


class CWInL2(CWL2):
    norm = "L2"


def test_cw_l2():
    attack = CWInL2(steps=300, search_steps=7)
    assert_close(ratios_on_planes(attack))
    for classes in (2, 10):
        assert_close(ratios_among_classes(attack, classes))


def test_cw_l2_with_confidence_goes_as_far_beyond_the_boundary():
    model, images, labels, radii = many_classes("L2", 2)
    found = perturb(CWL2(confidence=0.5, steps=300, search_steps=7), model, images, labels, seed=0)
    logits = model(found)
    margins = (logits.flip(1) - logits).gather(1, labels.unsqueeze(1)).squeeze(1)
    slope = (model.weights[0] - model.weights[1]).norm()
    assert (margins >= 0.5).all()
    torch.testing.assert_close((found - images).flatten(1).norm(dim=1), radii.double() + 0.5 / slope, rtol=0.01, atol=0)


@pytest.mark.parametrize("classes", [2, 10])
def test_square_in_linf(classes):
    model, images, labels, radii = many_classes("Linf", classes)
    for image, label, radius in zip(images, labels, radii.tolist(), strict=True):
        one = image.unsqueeze(0), label.unsqueeze(0)
        assert torch.isfinite(norms(Square(eps=1.01 * radius, queries=2000), model, *one)).all()
        assert not torch.isfinite(norms(Square(eps=0.99 * radius, queries=2000), model, *one)).any()


def test_square_in_linf_with_pixels_at_their_limits_and_in_a_valley():
    zero = torch.zeros(1, dtype=torch.int64)
    cases = list(zip(*two_classes("Linf"), strict=True))
    narrow, images, width = valley("Linf")
    for model, image, radius in [*cases, (narrow, images[0], width)]:
        one = image.unsqueeze(0), zero
        assert torch.isfinite(norms(Square(eps=1.01 * radius, queries=2000), model, *one)).all()
        assert not torch.isfinite(norms(Square(eps=0.99 * radius, queries=2000), model, *one)).any()


@pytest.mark.parametrize("kind", [FAB, FABTargeted, DeepFool])
@pytest.mark.parametrize("norm", NORMS)
def test_with_a_radius_what_is_farther_away_stays_clean(kind, norm):
    model, images, labels, radii = many_classes(norm, 10)
    eps = radii.sort().values[2:4].mean().item()
    found = perturb(kind(norm=norm, eps=eps), model, images, labels, seed=0)
    inside = radii < eps
    assert torch.equal(model(found).argmax(1) != labels, inside)
    assert torch.equal(found[~inside], images[~inside])


def test_cw_l2_with_a_radius():
    model, images, labels, radii = many_classes("L2", 10)
    eps = radii.sort().values[2:4].mean().item()
    found = perturb(CWL2(eps=eps, steps=200, search_steps=6), model, images, labels, seed=0)
    inside = radii < eps
    assert torch.equal(model(found).argmax(1) != labels, inside)
    assert torch.equal(found[~inside], images[~inside])
