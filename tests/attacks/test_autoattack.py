"""AutoAttack: its members' documented settings, who gets what, and torchattacks' as its rival."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from known_radius import many_classes
from robustkit_attacks import APGDCE, APGDDLR, EOT, FAB, APGDTargeted, AutoAttack, FABTargeted, Square
from torch import nn

from robustkit import Attack, Budget, example_streams, perturb
from robustkit.errors import AttackError, ComponentError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model

QUICK = {"steps": 5, "queries": 30}


class TestAutoAttack(AttackSuite):
    @pytest.fixture(
        autouse=True,
        params=[
            AutoAttack(eps="8/255", steps=2, queries=10),
            AutoAttack(eps=0.5, norm="L2", version="plus", steps=2, queries=10),
            AutoAttack(eps=4, norm="L1", steps=2),
            AutoAttack(eps="8/255", version="rand", steps=1),
        ],
        ids=repr,
    )
    def configure(self, request):
        self.attack = request.param


class TestTwoClasses(TestAutoAttack):
    num_classes = 2


class TestThreeClasses(TestAutoAttack):
    num_classes = 3


class TestFourClasses(TestAutoAttack):
    num_classes = 4
    image_shape = (2, 5, 9)


def test_standard_is_what_the_authors_document():
    eps = 8 / 255
    assert AutoAttack(eps=eps).members == {
        "apgd-ce": APGDCE(eps=eps, steps=100, restarts=1, rho=0.75, keep="first"),
        "apgd-targeted": APGDTargeted(eps=eps, steps=100, restarts=1, targets=None),
        "fab-targeted": FABTargeted(eps=eps, steps=100, restarts=1, targets=9, eta=1.05, alpha_max=0.1, beta=0.9),
        "square": Square(eps=eps, queries=5000, restarts=1, p_init=0.8),
    }
    in_l2 = AutoAttack(eps=0.5, norm="L2")
    assert in_l2.budget == Budget("L2", 0.5)
    assert all(attack.budget == in_l2.budget for attack in in_l2.members.values())


def test_plus_is_what_the_authors_document():
    members = AutoAttack(eps=0.1, version="plus").members
    assert list(members) == ["apgd-ce", "apgd-dlr", "fab", "square", "apgd-targeted", "fab-targeted"]
    assert members["apgd-dlr"] == APGDDLR(eps=0.1, restarts=5)
    assert members["fab"] == FAB(eps=0.1, restarts=5)
    assert [members[name].restarts for name in ("apgd-ce", "square", "apgd-targeted", "fab-targeted")] == [5, 1, 1, 1]


def test_rand_averages_20_passes():
    members = AutoAttack(eps=0.1, version="rand").members
    assert list(members.values()) == [
        EOT(attack=APGDCE(eps=0.1), samples=20),
        EOT(attack=APGDDLR(eps=0.1), samples=20),
    ]
    assert list(members) == ["apgd-ce", "apgd-dlr"]


def test_l1_has_the_settings_of_its_own_paper():
    members = AutoAttack(eps=12, norm="L1").members
    assert members["apgd-ce"].restarts == 5
    assert len(list(members["apgd-targeted"].aims(torch.randn(1, 10), torch.tensor([0])))) == 5


@dataclass(frozen=True)
class Planned(Attack):
    """Moves the pixel of every example to a value by the table, and notes whom it was handed and what they draw."""

    name = "planned"

    table: Any
    seen: Any

    @property
    def budget(self):
        return Budget("Linf", 1.0)

    def __call__(self, model, images, labels):
        who = (images.flatten() * 10).round().long()
        self.seen.append((who.tolist(), example_streams(images).uniform().tolist()))
        return self.table[who].reshape(images.shape)


def test_each_attack_gets_who_stands_with_random_numbers_of_their_own(monkeypatch):
    """Class 1 beyond 0.7. Pixels are 0.0 to 0.9, so 0.8 and 0.9 are misclassified from the beginning."""

    class Threshold(nn.Module):
        def forward(self, images):
            score = images.flatten(1) - 0.75
            return torch.cat([torch.zeros_like(score), score], 1)

    images, labels = (torch.arange(10) / 10).reshape(10, 1), torch.zeros(10, dtype=torch.int64)
    first, second, third = torch.full((3, 10), 0.4)
    first[[1, 2]], second[3], third[[4, 1, 3]] = torch.tensor([0.9, 0.85]), 0.95, 0.99
    first[5], second[5], third[5] = 0.3, 0.7, 0.6  # never breaks it
    seen = []
    members = {str(number): Planned(table, seen) for number, table in enumerate((first, second, third))}
    monkeypatch.setattr(AutoAttack, "members", members)
    result = perturb(AutoAttack(eps=1), Threshold(), images, labels, seed=0).flatten()
    assert [who for who, _ in seen] == [list(range(8)), [0, 3, 4, 5, 6, 7], [0, 4, 5, 6, 7]]
    expected = torch.tensor([0.4, 0.9, 0.85, 0.95, 0.99, 0.7, 0.6, 0.7, 0.8, 0.9])
    torch.testing.assert_close(result, expected)

    together, seen[:] = list(seen), []
    alone = torch.tensor([7])
    perturb(AutoAttack(eps=1), Threshold(), images[alone], labels[alone], seed=0, examples=alone)
    draws = [numbers[0] for _, numbers in seen]
    assert draws == [dict(zip(who, numbers, strict=True))[7] for who, numbers in together]
    assert len(set(draws)) == 3, "every attack draws anew"


def test_results_depend_neither_on_the_batch_nor_on_the_order(digits):
    model, images, labels = digits
    model, images, labels = copy.deepcopy(model).double(), images[:15].double(), labels[:15]
    attack = AutoAttack(eps=0.1, **QUICK)
    together = perturb(attack, model, images, labels, seed=3)
    assert 0 < (model(together).argmax(1) != labels).sum() < 15
    shuffled = torch.randperm(15, generator=torch.Generator().manual_seed(0))
    for size, order in ((1, torch.arange(15)), (7, torch.arange(15)), (15, shuffled), (7, shuffled)):
        for chosen in order.split(size):
            part = perturb(attack, model, images[chosen], labels[chosen], seed=3, examples=chosen)
            torch.testing.assert_close(part, together[chosen], atol=1e-9, rtol=0)


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_the_smallest_perturbation_is_found(norm):
    model, images, labels, radii = many_classes(norm, classes=4)
    for image, label, radius in zip(images[:3], labels, radii.tolist(), strict=False):
        one = image.unsqueeze(0), label.unsqueeze(0)
        for factor, breaks in ((1.01, True), (0.99, False)):
            attack = AutoAttack(eps=factor * radius, norm=norm, queries=20)
            assert (model(perturb(attack, model, *one, seed=0)).argmax(1) != one[1]).item() == breaks


class Masked(nn.Module):
    """A network whose gradients mislead: logits are of what is rounded to three levels."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model((2 * images).round() / 2 + 0.0 * images)


def test_square_finds_what_misleading_gradients_hide(digits):
    model, images, labels = digits
    attack = AutoAttack(eps=0.2, steps=5, queries=300)
    by_gradients = perturb(attack.members["apgd-ce"], Masked(model), images, labels, seed=0)
    together = perturb(attack, Masked(model), images, labels, seed=0)
    robust = [(Masked(model)(result).argmax(1) == labels).float().mean() for result in (by_gradients, together)]
    assert robust[1] < robust[0] - 0.2


@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.06), ("L2", 0.35)])
def test_not_weaker_than_torchattacks(norm, eps, digits):
    torchattacks = pytest.importorskip("torchattacks")
    model, images, labels = digits[0], digits[1][:80], digits[2][:80]
    ours = model(perturb(AutoAttack(eps=eps, norm=norm), model, images, labels, seed=0)).argmax(1) != labels
    adversarial = torchattacks.AutoAttack(model, norm=norm, eps=eps, seed=0)(images, labels)
    theirs = model(adversarial).argmax(1) != labels
    assert ours.sum() >= theirs.sum()
    assert (theirs & ~ours).sum() <= 1


def test_a_model_without_gradients_is_reported():
    class Detached(nn.Module):
        def forward(self, images):
            return images.detach().flatten(1)[:, :3]

    images = torch.tensor([[[[0.9, 0.1], [0.2, 0.3]]]])
    with pytest.raises(AttackError, match="no gradient with respect to the images"):
        perturb(AutoAttack(eps=0.1), Detached(), images, torch.tensor([0]))


def test_eps_0_returns_the_images():
    images, labels = tiny_batch()
    assert torch.equal(perturb(AutoAttack(eps=0, steps=1, queries=1), tiny_model(), images, labels), images)


def test_8_bit_units_are_refused():
    with pytest.raises(ComponentError, match=r"autoattack: eps: expected at most 1 in Linf, got 8.*write 8/255"):
        AutoAttack(eps=8)
