"""FAB, DeepFool and CW-L2: conformance, settings, who is left alone, and models without a gradient."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import CWL2, FAB, DeepFool, FABTargeted
from robustkit_attacks.fab import hopeless
from torch import nn

from robustkit import Budget, perturb
from robustkit.errors import AttackError, ComponentError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model

ORDERS = {"Linf": torch.inf, "L2": 2, "L1": 1}
SHORT = {"steps": 4}
EVERY = [FAB(**SHORT), FABTargeted(**SHORT), DeepFool(**SHORT), CWL2(steps=60, search_steps=7, step_size=0.1)]


class TestMinimalNorm(AttackSuite):
    @pytest.fixture(
        autouse=True,
        params=[
            FAB(steps=3),
            FAB(eps="8/255", steps=3, restarts=2),
            FAB(norm="L1", eps=4, steps=3, search_steps=0),
            FABTargeted(norm="L2", steps=2, targets=3),
            FABTargeted(norm="L2", eps=0.5, steps=2, restarts=2),
            DeepFool(steps=3),
            DeepFool(norm="Linf", eps=0.1),
            DeepFool(norm="L1"),
            CWL2(steps=5, search_steps=3),
            CWL2(eps=0.5, confidence=0.1, steps=5, search_steps=3),
        ],
        ids=repr,
    )
    def configure(self, request):
        self.attack = request.param


class TestTwoClasses(TestMinimalNorm):
    num_classes = 2


class TestThreeClasses(TestMinimalNorm):
    num_classes = 3


class TestNarrowImages(TestMinimalNorm):
    num_classes = 4
    image_shape = (2, 3, 9)


@pytest.mark.parametrize("attack", EVERY, ids=lambda attack: attack.name)
def test_vectors_are_attacked_too(attack):
    images = torch.rand(6, 7, generator=torch.Generator().manual_seed(0))
    model = nn.Linear(7, 3)
    nn.init.normal_(model.weight, generator=torch.Generator().manual_seed(1))
    labels = model(images).argmax(1)
    found = perturb(attack, model, images, labels, seed=0)
    assert (model(found).argmax(1) != labels).all()


@pytest.mark.parametrize("attack", EVERY, ids=lambda attack: attack.name)
def test_what_is_wrong_already_is_left_alone(attack):
    model, (images, _) = tiny_model().eval(), tiny_batch()
    labels = model(images).argmax(1)
    labels[::2] = (labels[::2] + 1) % 10
    found = perturb(attack, model, images, labels, seed=0)
    assert torch.equal(found[::2], images[::2])
    assert ((found - images)[1::2].flatten(1).norm(dim=1) > 0).all()
    labels = (model(images).argmax(1) + 1) % 10
    assert torch.equal(perturb(attack, model, images, labels, seed=0), images)


class Deaf(nn.Module):
    """Its logits do not come from the images by anything that has a gradient."""

    def forward(self, images):
        return images.detach().flatten(1)[:, :10]


@pytest.mark.parametrize("attack", EVERY, ids=lambda attack: attack.name)
def test_without_a_gradient_there_is_one_clear_error(attack):
    images = torch.rand(4, 1, 4, 4)
    with pytest.raises(AttackError, match="logits have no gradient with respect to the images"):
        perturb(attack, Deaf(), images, Deaf()(images).argmax(1), seed=0)


class Flat(nn.Module):
    """The same answer everywhere, with a gradient that is zero."""

    def forward(self, images):
        return images.flatten(1).sum(1, keepdim=True) * torch.zeros(1, 3) + torch.tensor([1.0, 0.0, -1.0])


class Broken(nn.Module):
    """The gradient is not a number, as where the root of zero is taken."""

    def forward(self, images):
        return (images.flatten(1)[:, :3] * 0.0).sqrt() + torch.tensor([1.0, 0.0, -1.0])


@pytest.mark.parametrize("model", [Flat(), Broken()], ids=["flat", "not a number"])
@pytest.mark.parametrize("attack", EVERY, ids=lambda attack: attack.name)
def test_where_gradients_lead_nowhere_images_stay(attack, model):
    images = torch.rand(4, 1, 4, 4)
    assert torch.equal(perturb(attack, model, images, torch.zeros(4).long(), seed=0), images)


def test_budgets():
    assert FAB().budget is None
    assert CWL2().budget is None
    assert FABTargeted(eps="8/255").budget == Budget("Linf", 8 / 255)
    assert DeepFool(eps=0.5).budget == Budget("L2", 0.5)
    assert CWL2(eps=0.5).budget == Budget("L2", 0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FAB(eps=8), "eps: expected at most 1 in Linf, got 8"),
        (lambda: DeepFool(norm="Linf", eps=8), "eps: expected at most 1 in Linf, got 8"),
        (lambda: FAB(eta=0.9), "eta: .*at least 1"),
        (lambda: FAB(beta=0), "beta: .*above 0"),
        (lambda: FAB(alpha_max=2), "alpha_max: .*at most 1|from 0 to 1"),
        (lambda: FABTargeted(targets=0), "targets: .*at least 1"),
        (lambda: DeepFool(classes=1), "classes: .*at least 2"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ComponentError, match=message):
        make()


def test_hopeless_by_hand():
    """From 4 to 2 in ten steps: 4 times smaller in ten more at twice that rate; in 20 steps left, 16 times."""
    inf = torch.inf
    before = torch.tensor([4.0, 4.0, 4.0, inf, inf, 2.0, 2.0])
    now = torch.tensor([2.0, 2.0, 2.0, 2.0, inf, 2.0, 2.0])
    goals = torch.tensor([0.125, 0.115, 0.1, 0.1, 0.1, 1.9, 1.8])
    assert hopeless(before, now, goals, 20).tolist() == [False, False, True, False, False, False, True]


@pytest.mark.parametrize("kind", [FAB, FABTargeted])
@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.12), ("L2", 0.6), ("L1", 1.2)])
def test_giving_up_saves_much_and_loses_next_to_nothing(digits, broken_by, kind, norm, eps):
    model, images, labels = digits
    counted = Counting(model)
    full, _ = broken_by(kind(eps=eps, norm=norm), counted, images[:60], labels[:60])
    cost, counted.images = counted.images, 0
    short, _ = broken_by(kind(eps=eps, norm=norm, give_up=True), counted, images[:60], labels[:60])
    assert not (short & ~full).any()
    assert (full & ~short).sum() <= 3, "none in most trainings"
    assert counted.images < 0.7 * cost
    assert 0.1 < full.float().mean() < 0.9


class Counting(nn.Module):
    """Counts the images that it is asked about."""

    def __init__(self, model):
        super().__init__()
        self.model, self.images = model, 0

    def forward(self, images):
        self.images += len(images)
        return self.model(images)


@pytest.mark.parametrize(
    ("attack", "forwards"),
    [
        (FAB(steps=3, search_steps=0), 1 + 2 * 3),
        (FAB(steps=3), 1 + 2 * 3 + 2 + 3),
        (FAB(steps=3, restarts=2, search_steps=0), 1 + 2 * 2 * 3),
        (FABTargeted(steps=3, targets=4, search_steps=0), 1 + 4 * 2 * 3),
        (DeepFool(overshoot=0.5), 1 + 2 + 2 + 3),
        (CWL2(steps=7, search_steps=3, abort_early=False), 1 + 3 * 7),
    ],
)
def test_costs_what_it_says(attack, forwards):
    model, (images, _) = tiny_model().eval(), tiny_batch(1)
    counting = Counting(model)
    perturb(attack, counting, images, model(images).argmax(1), seed=0)
    assert counting.images == forwards


def test_more_restarts_and_targets_are_never_worse(digits):
    model, images, labels = digits
    lengths = []
    for attack in (
        FABTargeted(norm="L2", steps=10, targets=1),
        FABTargeted(norm="L2", steps=10, targets=9),
        FABTargeted(norm="L2", steps=10, targets=9, restarts=3),
    ):
        found = perturb(attack, model, images[:50], labels[:50], seed=0)
        lengths.append((found - images[:50]).flatten(1).norm(dim=1))
    assert (lengths[1] <= lengths[0] + 1e-6).all()
    assert lengths[1].sum() < lengths[0].sum()
    assert lengths[2].sum() < lengths[1].sum()


@pytest.mark.parametrize(
    "attack", [FAB(), FABTargeted(norm="L2"), CWL2(steps=100, step_size=0.1), DeepFool()], ids=lambda one: one.name
)
def test_without_a_radius_every_example_of_a_real_network_is_broken(digits, broken_by, attack):
    model, images, labels = digits
    assert broken_by(attack, model, images[:40], labels[:40])[0].all()


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_the_final_search_comes_nearer(digits, norm):
    model, images, labels = digits
    lengths = []
    for steps in (0, 3):
        found = perturb(FAB(norm=norm, steps=5, search_steps=steps), model, images[:50], labels[:50], seed=0)
        lengths.append(torch.linalg.vector_norm((found - images[:50]).flatten(1), ORDERS[norm], dim=1))
        assert (model(found).argmax(1) != labels[:50]).float().mean() > 0.75
    assert (lengths[1] <= lengths[0]).all()
    assert lengths[1].mean() < 0.9995 * lengths[0].mean()
