"""Transfer: crafted on the model it names, by the rules of every attack; loaded once; errors that say which model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from robustkit_attacks import PGD, FABTargeted, Noise, Transfer

from robustkit import Budget, load_model, load_recipe, make, perturb, run
from robustkit.errors import AttackError, ComponentError, WeightsError
from robustkit.testing import AttackSuite, tiny_batch, tiny_model

RECIPE = Path(__file__).parents[2] / "recipes" / "natural.yaml"
SHORT = ("epochs=2", "learners.natural.optimizer.lr=0.05", "evaluation={}")
STRONG = PGD(eps=0.25, steps=10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of two epochs on the digits."""
    return run(load_recipe(RECIPE, *SHORT), output=tmp_path_factory.mktemp("other") / "run").path


@pytest.fixture
def weights(folder):
    return folder / "weights" / "global.safetensors"


class TestTransfer(AttackSuite):
    test_does_not_depend_on_the_batch = None  # the other model computes in float32: see below
    image_shape = (1, 8, 8)

    @pytest.fixture(autouse=True)
    def configure(self, folder):
        self.attack = Transfer(PGD(eps="8/255", steps=2), str(folder))


def test_it_is_what_the_attack_makes_on_the_other_model(folder, weights, digits):
    model, images, labels = digits
    other = load_model(weights)
    for path in (folder, weights):
        found = perturb(Transfer(PGD(eps=0.2, steps=5, random_start=False), str(path)), model, images, labels, seed=0)
        expected = perturb(PGD(eps=0.2, steps=5, random_start=False), other, images, labels, seed=0)
        torch.testing.assert_close(found, expected)


def test_it_transfers_and_is_weaker_than_an_attack_on_the_model_itself(folder, digits, broken_by):
    noise, transferred, direct = (
        broken_by(attack, *digits)[0].float().mean()
        for attack in (Noise(eps=0.25), Transfer(STRONG, str(folder)), STRONG)
    )
    assert noise + 0.1 < transferred < direct


def test_the_budget_is_the_attacks(folder):
    assert Transfer(STRONG, str(folder)).budget == Budget("Linf", 0.25)
    assert Transfer(FABTargeted(), str(folder)).budget is None


def test_nothing_depends_on_the_batch(folder, digits):
    model, images, labels = digits
    attack = Transfer(PGD(eps=0.2, steps=2, restarts=2), str(folder))
    together = perturb(attack, model, images[:20], labels[:20], seed=1)
    for part in (torch.arange(20).split(7), [torch.arange(19, -1, -1)]):
        for places in part:
            found = perturb(attack, model, images[places], labels[places], seed=1, examples=places)
            torch.testing.assert_close(found, together[places], atol=1e-4, rtol=0)
    assert not torch.equal(perturb(attack, model, images[:20], labels[:20], seed=2), together)


def test_float64_images_on_a_float32_model(folder, digits):
    _, images, labels = digits
    model = tiny_model(channels=1, dtype=torch.float64)
    found = perturb(Transfer(STRONG, str(folder)), model, images.double(), labels, seed=0)
    assert found.dtype == torch.float64
    assert (found - images).abs().max() <= 0.25 + 1e-7


def test_the_other_model_is_loaded_once_and_anew_where_its_file_is_written_anew(folder, weights, monkeypatch, digits):
    model, images, labels = digits
    loads = []
    monkeypatch.setattr(
        "robustkit.load_model", lambda *args, **fields: loads.append(args) or load_model(*args, **fields)
    )
    attack = Transfer(Noise(eps=0.1), str(weights))
    for _ in range(3):
        perturb(attack, model, images[:2], labels[:2])
    assert len(loads) <= 1
    before = len(loads)
    os.utime(weights, ns=(weights.stat().st_atime_ns, weights.stat().st_mtime_ns + 10**9))
    perturb(attack, model, images[:2], labels[:2])
    assert len(loads) == before + 1


def test_recipes_can_name_it(folder):
    attack = make("attack", "transfer", attack={"use": "pgd", "eps": "8/255"}, model=str(folder))
    assert attack == Transfer(PGD(eps=8 / 255), str(folder))
    with pytest.raises(ComponentError, match="model"):
        Transfer(STRONG, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [("nothing.safetensors", "nothing.safetensors: there is no such file"), ("empty", "expected a results folder")],
)
def test_models_that_are_not_there(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=message):
        perturb(Transfer(STRONG, str(tmp_path / name)), tiny_model(), *tiny_batch())


def test_a_damaged_file(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"none of it")
    with pytest.raises(WeightsError, match="bad.safetensors.* damaged"):
        perturb(Transfer(STRONG, str(tmp_path / "bad.safetensors")), tiny_model(), *tiny_batch())


def test_models_for_other_images_or_fewer_classes(folder):
    attack = Transfer(STRONG, str(folder))
    with pytest.raises(AttackError, match=r"transfer: .* cannot take images of shape \(3, 8, 8\)"):
        perturb(attack, tiny_model(), *tiny_batch())
    images, _ = tiny_batch(image_shape=(1, 8, 8))
    with pytest.raises(AttackError, match="knows 10 classes, the labels go up to 11"):
        perturb(attack, tiny_model(12, channels=1), images, torch.full((8,), 11))
