"""FAB, Square, DeepFool, CW-L2 and transfer treat an example alike in every batch, in every order."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import CWL2, FAB, DeepFool, FABTargeted, Square
from torch import nn

from robustkit import TensorExamples, evaluate, perturb
from robustkit.testing import tiny_batch, tiny_model

ATTACKS = {
    "fab": FAB(steps=8, restarts=2),
    "fab, L2, eps": FAB(norm="L2", eps=0.4, steps=25, restarts=2, give_up=True),
    "fab, L1": FAB(norm="L1", steps=5),
    "fab-targeted": FABTargeted(eps=0.03, steps=25, restarts=2, targets=3),
    "fab-targeted, L2": FABTargeted(norm="L2", steps=21, targets=3, give_up=True),
    "deepfool": DeepFool(),
    "deepfool, Linf, eps": DeepFool(norm="Linf", eps=0.03),
    "cw-l2": CWL2(steps=30, search_steps=4, step_size=0.05),
    "cw-l2, eps": CWL2(eps=0.3, steps=30, search_steps=4, step_size=0.05),
    "square": Square(eps=0.04, queries=150, restarts=2),
    "square, giving up": Square(eps=0.04, queries=150, give_up=True),
    "square, L2": Square(eps=0.5, norm="L2", queries=100),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_attacked_images_do_not_depend_on_the_batch(attack):
    model = tiny_model(dtype=torch.float64).eval()
    images, _ = tiny_batch(20, dtype=torch.float64)
    labels = model(images).argmax(1)
    labels[::6] = (labels[::6] + 1) % 10
    numbers = torch.arange(20) * 7 - 50
    together = perturb(attack, model, images, labels, seed=4, examples=numbers)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    for parts in (torch.arange(20).split(1), torch.arange(20).split(7), [order], order.split(11)):
        for part in parts:
            found = perturb(attack, model, images[part], labels[part], seed=4, examples=numbers[part])
            torch.testing.assert_close(found, together[part], rtol=0, atol=1e-9)
    moved = (together - images).flatten(1).abs().amax(dim=1) > 0
    assert 0 < moved.sum() < 20


class Recording(nn.Module):
    """Remembers the images that it is asked about."""

    def __init__(self, model):
        super().__init__()
        self.model, self.seen = model, []

    def forward(self, images):
        self.seen.append(images.detach().clone())
        return self.model(images)


@pytest.mark.parametrize(
    ("attack", "question"),
    [
        (FAB(steps=1, restarts=2), 3),  # after the clean image, its linearization and where that led
        (FABTargeted(norm="L2", steps=1, restarts=2), 3),
        (FAB(norm="L1", eps=0.05, steps=1, restarts=2), 3),
        (Square(eps=0.04, queries=10), 2),  # after it was looked at as a chain of layers, on two images
        (Square(eps=0.4, norm="L2", queries=10), 1),
    ],
    ids=repr,
)
def test_random_numbers_are_the_examples_own(digits, attack, question):
    model, images, labels = digits
    images, labels = images[:1].expand(6, -1, -1, -1), labels[:1].expand(6)
    recording = Recording(model)
    perturb(attack, recording, images, labels, seed=4, examples=torch.tensor([1, 2, 3, 1, 2, 3]))
    starts = recording.seen[question]
    assert torch.equal(starts[:3], starts[3:])
    assert (starts[0] - starts[1]).abs().max() > 1e-3
    assert (starts[1] - starts[2]).abs().max() > 1e-3


@pytest.mark.parametrize(("norm", "order"), [("Linf", torch.inf), ("L2", 2), ("L1", 1)])
@pytest.mark.parametrize("eps", [None, 0.001])
def test_random_starts_are_at_half_the_smallest_norm_known_or_half_the_radius(digits, norm, order, eps):
    model, images, labels = digits
    images = images * 0.2 + 0.4  # nothing is cut off at black or white
    first, second = model(images).topk(2).values.T
    images = images[(first - second).argsort(descending=True)[:20]]  # nothing is found at once inside the small radius
    labels = model(images).argmax(1)
    recording = Recording(model)
    perturb(FAB(norm=norm, eps=eps, steps=1, restarts=2), recording, images, labels, seed=4)
    first = torch.linalg.vector_norm((recording.seen[2] - images).flatten(1), order, dim=1)
    first[model(recording.seen[2]).argmax(1) == labels] = torch.inf
    starts = torch.linalg.vector_norm((recording.seen[3] - images).flatten(1), order, dim=1)
    expected = first.clamp_max(eps or {"Linf": 0.3, "L2": 1.0, "L1": 5.0}[norm]) / 2
    torch.testing.assert_close(starts, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_measurements_do_not_depend_on_the_batch_size(attack):
    model = tiny_model(dtype=torch.float64).eval()
    images, _ = tiny_batch(30, dtype=torch.float64)
    labels = model(images).argmax(1)
    examples = TensorExamples(images.float(), labels, tuple("0123456789"))
    found = [evaluate(model, examples, {"attack": attack}, batch_size=size).attacked["attack"] for size in (1, 7, 500)]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[2])


def test_more_than_a_portion_is_as_many_portions():
    model = tiny_model(dtype=torch.float64).eval()
    images, _ = tiny_batch(300, dtype=torch.float64)
    labels = model(images).argmax(1)
    for attack in (FAB(steps=2), Square(eps=0.05, queries=5)):
        together = perturb(attack, model, images, labels, seed=4)
        last = perturb(attack, model, images[250:], labels[250:], seed=4, examples=torch.arange(250, 300))
        torch.testing.assert_close(last, together[250:], rtol=0, atol=1e-9)
