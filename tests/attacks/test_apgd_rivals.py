"""Auto-PGD side by side with torchattacks', with as many steps, on networks for the digits that were trained robust."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import APGDCE, APGDDLR, PGD, APGDTargeted
from sklearn.datasets import load_digits
from torch import nn

from robustkit import perturb

torchattacks = pytest.importorskip("torchattacks")
RUNS = 4
MARGIN = 6 * RUNS
"""Images of 300 in each run. Over seven trainings the runs' sum came out at most 13 above torchattacks', by chance;
with a quarter of the steps it is 31 to 143 above, with steps of a twentieth 112 to 319."""


@pytest.fixture(scope="module")
def robust(training_seed):
    """A network trained on PGD's images for two seconds, and 300 images (1 x 8 x 8) that it has not seen."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).div(16).unsqueeze(1)
    labels = torch.tensor(data.target, dtype=torch.int64)
    with torch.random.fork_rng():
        torch.manual_seed(training_seed)
        layers = [
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
        ]
        model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10)).double()  # nearly alike on every CPU
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        attack = PGD(eps=0.15, steps=5, keep="last")
        for step in range(150):
            chosen = torch.randint(1400, (128,))
            adversarial = perturb(attack, model, images[chosen].double(), labels[chosen], seed=step)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(adversarial), labels[chosen]).backward()
            optimizer.step()
    return model.float().eval().requires_grad_(False), images[1400:1700], labels[1400:1700]


def rival(kind, model, norm, eps, steps, seed):
    settings = {"norm": norm, "eps": eps, "steps": steps, "n_restarts": 1, "seed": seed}
    if kind is APGDTargeted:
        return torchattacks.APGDT(model, n_classes=10, **settings)
    return torchattacks.APGD(model, loss=kind.name.removeprefix("apgd-"), **settings)


def standing(model, adversarial, labels):
    return int((model(adversarial).argmax(1) == labels).sum())


@pytest.mark.parametrize("norm", ["Linf", "L2"])
@pytest.mark.parametrize(("kind", "steps"), [(APGDCE, 12), (APGDDLR, 12), (APGDTargeted, 8)])
def test_robust_accuracy_is_not_above_torchattacks(kind, steps, norm, robust, middling_radius):
    """Few steps, which a weaker attack has most need of; the sum of four runs from other starts."""
    model, images, labels = robust
    eps = middling_radius(norm, *robust)
    attack, ours, theirs = kind(eps=eps, norm=norm, steps=steps), 0, 0
    for seed in range(RUNS):
        ours += standing(model, perturb(attack, *robust, seed=seed), labels)
        theirs += standing(model, rival(kind, model, norm, eps, steps, seed)(images, labels), labels)
    assert 0.25 < theirs / (RUNS * len(images)) < 0.75, "the radius is too large or too small to tell attacks apart"
    assert ours <= theirs + MARGIN
