"""What an attack does to an example, and what is measured of it, does not depend on the batch it is in."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from robustkit_attacks import PGD

from robustkit import Attack, TensorExamples, evaluate, example_streams, perturb
from robustkit.testing import tiny_batch, tiny_model


@dataclass(frozen=True)
class Restless(Attack):
    """Draws so often, to no use, and then hands the images on."""

    name = "restless"

    inner: Attack
    draws: int

    @property
    def budget(self):
        return self.inner.budget

    def __call__(self, model, images, labels):
        for _ in range(self.draws):
            example_streams(images).uniform()
        streams = example_streams(images)
        for _ in range(self.draws):
            streams.uniform()
        return self.inner(model, images, labels)


def test_an_attack_inside_another_draws_in_its_turn():
    model, (images, labels) = tiny_model(), tiny_batch()
    pgd = PGD(eps=0.1, steps=1, keep="last")
    turns = [perturb(Restless(pgd, draws), model, images, labels, seed=1) for draws in (0, 1, 2)]
    assert not torch.equal(turns[0], turns[1])
    assert not torch.equal(turns[1], turns[2])
    assert torch.equal(turns[2], perturb(Restless(pgd, 2), model, images, labels, seed=1))


ATTACKS = {
    "Linf": PGD(eps=0.1, steps=3, restarts=2),
    "L2": PGD(eps=0.5, norm="L2", steps=3, restarts=2),
    "L1": PGD(eps=4, norm="L1", steps=3),
    "last": PGD(eps=0.1, steps=3, keep="last"),
    "first, Linf": PGD(eps=0.05, steps=30, step_size=0.02, restarts=3, keep="first"),
    "first, L2": PGD(eps=0.3, norm="L2", steps=5, restarts=3, keep="first"),
    "first, L1": PGD(eps=2, norm="L1", steps=5, restarts=2, keep="first"),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_attacked_images_do_not_depend_on_the_batch(attack):
    model = tiny_model(dtype=torch.float64)
    images, labels = tiny_batch(30, dtype=torch.float64)
    numbers = torch.arange(30) * 7 - 50
    together = perturb(attack, model, images, labels, seed=4, examples=numbers)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    for parts in (torch.arange(30).split(1), torch.arange(30).split(7), [order], order.split(11)):
        for part in parts:
            found = perturb(attack, model, images[part], labels[part], seed=4, examples=numbers[part])
            torch.testing.assert_close(found, together[part], rtol=0, atol=1e-9)
    others = perturb(attack, model, images, labels, seed=4, examples=numbers + 1)
    assert ((others - together).flatten(1).abs().amax(dim=1) > 1e-3).all()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_measurements_do_not_depend_on_the_batch_size(attack):
    model = tiny_model(dtype=torch.float64).eval()
    images, _ = tiny_batch(60, dtype=torch.float64)
    with torch.no_grad():
        labels = model(images).argmax(1)
    labels[::5] = (labels[::5] + 1) % 10  # examples that are wrong already are left out, and move nobody
    examples = TensorExamples(images.float(), labels, tuple("0123456789"))
    found = [evaluate(model, examples, {"attack": attack}, batch_size=size).attacked["attack"] for size in (1, 7, 500)]
    assert torch.equal(found[0], found[2])
    assert torch.equal(found[1], found[2])
    assert 0 < found[0].sum() < 48
