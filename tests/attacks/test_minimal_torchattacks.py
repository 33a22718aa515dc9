"""FAB, Square, DeepFool and CW-L2 beside torchattacks' with equal settings: never farther away, never fewer broken."""

from __future__ import annotations

import pytest
import torch
import torchattacks
from robustkit_attacks import CWL2, FAB, DeepFool, FABTargeted, Square
from sklearn.datasets import load_digits
from torch import nn

from robustkit import perturb

ORDERS = {"Linf": torch.inf, "L2": 2, "L1": 1}


@pytest.fixture(scope="module")
def robust(training_seed):
    """A smooth network, trained adversarially for a few seconds, and 200 images (1 x 8 x 8) that it gets right."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float64).div(16).unsqueeze(1)
    labels = torch.tensor(data.target, dtype=torch.int64)
    with torch.random.fork_rng():
        torch.manual_seed(training_seed)
        model = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1), nn.SiLU(), nn.AvgPool2d(2), nn.Conv2d(12, 16, 3, padding=1), nn.ReLU()
        )
        model = nn.Sequential(model, nn.Flatten(), nn.Linear(256, 10)).double()  # nearly alike on every CPU
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(250):
            chosen = torch.randint(1300, (64,))
            batch = images[chosen]
            for _ in range(3):
                batch = batch.detach().requires_grad_()
                nn.functional.cross_entropy(model(batch), labels[chosen]).backward()
                batch = (batch + 0.06 * batch.grad.sign()).clamp(images[chosen] - 0.1, images[chosen] + 0.1).clamp(0, 1)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(batch.detach()), labels[chosen]).backward()
            optimizer.step()
        model, images = model.float().eval().requires_grad_(False), images.float()
        right = (model(images).argmax(1) == labels).nonzero().squeeze(1)
        right = right[right >= 1300][:200]
    return model, images[right], labels[right]


def theirs(kind, model, images, labels, **fields):
    attack = getattr(torchattacks, kind)(model, **fields)
    with torch.random.fork_rng():
        found = attack(images, labels)
    model.eval()
    return found


def lengths(found, images, norm):
    return torch.linalg.vector_norm((found - images).flatten(1), ORDERS[norm], dim=1)


def robust_share(found, model, labels):
    return (model(found).argmax(1) == labels).float().mean().item()


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize("targeted", [False, True])
def test_fab_with_a_radius(robust, middling_radius, norm, targeted):
    model, images, labels = robust
    eps = middling_radius(norm, *robust)
    fields = {"norm": norm, "eps": eps, "steps": 20}
    other = robust_share(theirs("FAB", model, images, labels, multi_targeted=targeted, **fields), model, labels)
    own = perturb((FABTargeted if targeted else FAB)(**fields), model, images, labels, seed=0)
    assert 0.1 < other < 0.9
    assert robust_share(own, model, labels) <= other + 2.5 / 200  # two images


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_fab_without_a_radius(robust, norm):
    model, images, labels = (part if isinstance(part, nn.Module) else part[:80] for part in robust)
    attack = torchattacks.FAB(model, norm=norm, steps=20)
    attack.device = "cpu"
    other = lengths(attack.attack_single_run(images, labels), images, norm)
    own = perturb(FAB(norm=norm, steps=20), model, images, labels, seed=0)
    assert (model(own).argmax(1) != labels).all()
    ratios = lengths(own, images, norm) / other
    assert ratios.mean() < 1.0
    # All in six trainings; with 5 steps instead of 20 from 45 to 94 %.
    assert (ratios < 1.005).float().mean() > 0.96
    assert ratios.max() < 1.1


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_square(robust, middling_radius, norm):
    """Two random searches: on average over three seeds each."""
    model, images, labels = robust
    eps = middling_radius(norm, *robust)
    other, own = [], []
    for seed in range(3):
        found = theirs("Square", model, images, labels, norm=norm, eps=eps, n_queries=300, seed=seed)
        other.append(robust_share(found, model, labels))
        attack = Square(eps=eps, norm=norm, queries=300)
        own.append(robust_share(perturb(attack, model, images, labels, seed=seed), model, labels))
    assert 0.1 < sum(other) / 3 < 0.9
    assert sum(own) / 3 <= sum(other) / 3 + 3 / 200  # three images


def test_deepfool(robust):
    model, images, labels = robust
    other = theirs("DeepFool", model, images, labels)
    own = perturb(DeepFool(), model, images, labels, seed=0)
    assert (model(own).argmax(1) != labels).all()
    broken = model(other).argmax(1) != labels
    ratios = (lengths(own, images, "L2") / lengths(other, images, "L2"))[broken]
    # In six trainings 0.976 to 0.981, and 99 % or more; without the final search 1.05, and 22 to 31 %.
    assert ratios.mean() < 1.0
    assert (ratios < 1.02).float().mean() > 0.95


def test_cw_l2(robust):
    model, images, labels = robust
    other = theirs("CW", model, images, labels, c=1, steps=100, lr=0.05)
    own = perturb(CWL2(steps=100, step_size=0.05), model, images, labels, seed=0)
    broken = model(other).argmax(1) != labels
    assert broken.float().mean() > 0.5
    assert (model(own).argmax(1) != labels).all()
    ratios = (lengths(own, images, "L2") / lengths(other, images, "L2"))[broken]
    assert ratios.mean() < 0.95
    # In six trainings 97 % or more; with a quarter of the steps 9 to 19 %.
    assert (ratios < 1.01).float().mean() > 0.93


@pytest.mark.parametrize(
    ("attack", "share"), [(FAB(norm="L2"), 0.75), (FABTargeted(norm="L2"), 0.96)], ids=["fab", "fab-targeted"]
)
def test_slow_and_thorough_attacks_agree(robust, attack, share):
    """FAB and CW-L2 know nothing of each other and find perturbations of the same length.

    FAB, which goes to whatever boundary is nearest at first, ends at a farther one for 3 to 13 % of the examples.
    """
    model, images, labels = (part if isinstance(part, nn.Module) else part[:60] for part in robust)
    fab = lengths(perturb(attack, model, images, labels, seed=0), images, "L2")
    cw = lengths(perturb(CWL2(steps=300, step_size=0.02), model, images, labels, seed=0), images, "L2")
    assert (fab / cw).median() == pytest.approx(1, abs=0.01)
    assert (fab / cw < 1.02).float().mean() > share
