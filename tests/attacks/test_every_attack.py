"""What every native attack must bear: any number of classes, images of any shape, nothing to attack, no gradient."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from every_attack import BY_GRADIENTS, BY_SCORES, EVERY
from torch import nn

from robustkit import TensorExamples, evaluate, perturb
from robustkit.attacking.verification import distances
from robustkit.errors import AttackError, InputError
from robustkit.testing import tiny_batch, tiny_model

attacks = pytest.mark.parametrize("attack", EVERY.values(), ids=EVERY)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch):
    """`elsewhere(model)`: what `transfer` crafts on; by default a tiny network."""
    models = [tiny_model()]
    monkeypatch.setattr("robustkit_attacks.transfer._loaded", lambda *_: models[-1])
    return models.append


def names(count):
    return tuple(map(str, range(count)))


class Even(nn.Module):
    """A network that likes all classes equally on these images, so that boundaries are near."""

    def __init__(self, model, images):
        super().__init__()
        self.model = model.eval()
        with torch.no_grad():
            self.mean = model(images).mean(0)

    def forward(self, images):
        return self.model(images) - self.mean


def rightly_labelled(model, images):
    with torch.no_grad():
        return model.eval()(images).argmax(1)


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 5, 9), (1, 2, 7)])
@attacks
def test_few_classes_and_images_of_any_shape(attack, shape, classes, elsewhere):
    images, _ = tiny_batch(5, image_shape=shape)
    model = Even(tiny_model(classes, channels=shape[0]), images)
    elsewhere(model)
    labels = rightly_labelled(model, images)
    found = perturb(attack, model, images, labels, seed=0)
    assert (found.shape, found.dtype) == (images.shape, images.dtype)
    assert found.isfinite().all()
    assert not torch.equal(found, images), "nothing was tried"
    assert 0 <= found.min() <= found.max() <= 1
    if attack.budget is not None:
        assert distances(found, images, attack.budget.norm).max() <= attack.budget.eps * (1 + 1e-5) + 1e-6


def test_the_card_has_every_attack():
    card = (Path(__file__).parents[2] / "plugins" / "robustkit_attacks" / "README.md").read_text(encoding="utf-8")
    headings = {name for line in card.splitlines() if line.startswith("## ") for name in line[3:].split(", ")}
    assert {attack.name for attack in EVERY.values()} <= headings
    for attack in EVERY.values():
        assert f"use: {attack.name}," in card, f"the card shows no recipe with {attack.name}"


@attacks
def test_no_images(attack):
    images, labels = tiny_batch()
    assert perturb(attack, tiny_model(), images[:0], labels[:0]).shape == (0, 3, 8, 8)


@attacks
def test_nothing_is_left_where_all_predictions_are_wrong(attack):
    model = tiny_model()
    images, _ = tiny_batch()
    wrong = (rightly_labelled(model, images) + 1) % 10
    found = evaluate(model, TensorExamples(images, wrong, names(10)), {"it": attack})
    assert found.attacked["it"].tolist() == [False] * 8
    assert found.natural.tolist() == [False] * 8


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda images: images.where(images > 0.1, torch.nan), "expected images in .* not a number"),
        (lambda images: images * 255, r"expected images in \[0, 1\], got values from .* to 2\d\d"),
        (lambda images: images - 0.5, r"expected images in \[0, 1\], got values from -0\.\d+ to 0\.\d+"),
    ],
    ids=["nan", "8 bit", "normalized"],
)
@attacks
def test_what_is_no_image_is_refused(attack, spoil, message):
    images, labels = tiny_batch()
    with pytest.raises(InputError, match=message):
        perturb(attack, tiny_model(), spoil(images), labels)


class Unmoved(nn.Module):
    """A network whose logits cannot be differentiated: `how` is what happens on the way."""

    def __init__(self, how):
        super().__init__()
        self.model, self.how = Even(tiny_model(), tiny_batch(20)[0]), how

    def forward(self, images):
        if self.how == "no_grad":
            with torch.no_grad():
                return self.model(images)
        images = images.detach() if self.how == "detach" else (images * 32).to(torch.int32) / 32
        logits = self.model(images)
        # A tensor of its own that asks for gradients does not make the images' appear.
        return logits + torch.zeros(10, requires_grad=True) if self.how == "detach" else logits


@pytest.mark.parametrize("how", ["no_grad", "detach", "whole numbers"])
class TestWithoutGradients:
    @pytest.mark.parametrize("attack", BY_GRADIENTS.values(), ids=BY_GRADIENTS)
    def test_gradient_attacks_say_so_and_name_the_way_out(self, attack, how, elsewhere):
        model = Unmoved(how)
        elsewhere(model)
        images, _ = tiny_batch()
        with pytest.raises(AttackError) as caught:
            perturb(attack, model, images, model(images).argmax(1), seed=0)
        assert "no gradient with respect to the images" in str(caught.value)
        assert "`square`" in str(caught.value)

    @pytest.mark.parametrize("attack", BY_SCORES.values(), ids=BY_SCORES)
    def test_attacks_by_scores_do_as_ever(self, attack, how):
        model, (images, _) = Unmoved(how), tiny_batch(20)
        labels = model(images).argmax(1)
        found = perturb(attack, model, images, labels, seed=0)
        assert not torch.equal(found, images)
        if attack.name == "square":
            assert (model(found).argmax(1) != labels).any()


@pytest.mark.parametrize("attack", BY_GRADIENTS.values(), ids=BY_GRADIENTS)
def test_gradients_that_are_no_numbers_leave_images_in_place(attack, elsewhere):
    class Broken(nn.Module):
        def forward(self, images):
            return (images.flatten(1)[:, :3] * 0.0).sqrt() + torch.tensor([1.0, 0.0, -1.0])

    elsewhere(Broken())
    images, labels = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(4).long()
    found = perturb(attack, Broken(), images, labels, seed=0)
    assert found.isfinite().all()
