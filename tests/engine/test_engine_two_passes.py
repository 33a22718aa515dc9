"""Measuring in bfloat16 first: what survives is attacked in full, what is broken is confirmed in full."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from robustkit_attacks import PGD, Noise
from torch import nn

from robustkit import Attack, Compute, TensorExamples, evaluate
from robustkit.testing.tiny import tiny_batch, tiny_model

FIRST = Compute(evaluation="bfloat16-first")


@pytest.fixture(scope="module")
def examples():
    images, _ = tiny_batch(60)
    with torch.no_grad():
        labels = tiny_model().eval()(images).argmax(1)
    return TensorExamples(images, labels, [str(number) for number in range(10)])


@pytest.mark.parametrize("random_start", [True, False])
def test_an_example_is_robust_if_neither_pass_breaks_it(examples, random_start):
    attack = PGD(eps=0.02, steps=5, random_start=random_start)
    full = evaluate(tiny_model(), examples, {"pgd": attack})
    both = evaluate(tiny_model(), examples, {"pgd": attack}, compute=FIRST)
    assert 0 < both.attacked["pgd"].sum() < len(examples), "the budget decides nothing here"
    assert (both.attacked["pgd"] <= full.attacked["pgd"]).all(), "robust though the attack in full precision breaks it"
    assert (both.attacked["pgd"] != full.attacked["pgd"]).float().mean() < 0.05


@dataclass(frozen=True)
class Towards(Attack):
    """Moves images by 0.2 where the network computes in the asked-for type; writes down how many it was given."""

    name = "towards-half"
    low: bool = True

    @property
    def budget(self):
        return None

    def __call__(self, model, images, labels):
        low = next(model.parameters()).dtype == torch.bfloat16
        given.append((low, len(images)))
        return (images + 0.2).clamp(max=1.0) if low == self.low else images


given: list = []


class Bright(nn.Module):
    """Class 1 where the only pixel is brighter than a half."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 2)
        self.layer.weight.data, self.layer.bias.data = torch.tensor([[-1.0], [1.0]]), torch.tensor([0.5, -0.5])

    def forward(self, images):
        return self.layer(images.flatten(1))


DARK = TensorExamples(torch.tensor([0.1, 0.2, 0.4, 0.45, 0.9]).view(-1, 1, 1, 1), torch.tensor([0, 0, 0, 0, 1]), "ab")


@pytest.mark.parametrize(("low", "calls"), [(True, [(True, 5), (False, 3)]), (False, [(True, 5), (False, 5)])])
def test_only_survivors_are_attacked_twice(low, calls):
    given.clear()
    heard = []
    measured = evaluate(
        Bright(), DARK, {"t": Towards(low=low)}, compute=FIRST, report=lambda *words: heard.append(words)
    )
    assert measured.attacked["t"].tolist() == [True, True, False, False, True]
    assert given == calls
    assert heard[-1] == ("t", 5, 5)
    done = [number for part, number, _ in heard if part == "t"]
    assert done == sorted(done)


def test_what_breaks_in_bfloat16_alone_counts_as_robust():
    """0.4985 rounds to a half in bfloat16: the network is wrong there, and right in its own precision."""
    image = TensorExamples(torch.tensor([0.2985]).view(1, 1, 1, 1), torch.tensor([0]), "ab")
    measured = evaluate(Bright(), image, {"t": Towards()}, compute=FIRST)
    assert measured.attacked["t"].tolist() == [True]


@pytest.mark.parametrize("batch_size", [1, 7, 60])
def test_results_follow_the_image_not_its_place_or_batch(examples, batch_size):
    """In float64, whose last bits decide nothing here; the data set is shuffled, and only a part of it is there."""
    attack, model = Noise(eps=0.1), tiny_model(dtype=torch.float64)
    whole = evaluate(model, examples, {"pgd": attack}, seed=3).attacked["pgd"]
    assert 0 < whole.sum() < len(whole)
    part = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))[:40]
    found = evaluate(model, examples.subset(part), {"pgd": attack}, seed=3, batch_size=batch_size).attacked["pgd"]
    assert found.tolist() == whole[part].tolist()
    others = [evaluate(model, examples, {"pgd": attack}, seed=seed).attacked["pgd"].tolist() for seed in range(20)]
    assert any(other != whole.tolist() for other in others), "the starts decide nothing here"
