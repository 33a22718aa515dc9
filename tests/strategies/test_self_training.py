"""Robust self-training: what is labelled how, and what the inner strategy is given."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from robustkit_adversarial import KLPGD, Adversarial
from robustkit_architectures import SmallCNN
from robustkit_augmentations import GaussianNoise
from robustkit_natural import Natural
from robustkit_selftraining import RST
from torch.nn import functional

from robustkit import Dataset, Strategy, TensorExamples, load_model, make
from robustkit.errors import ComponentError, InputError, WeightsError
from robustkit.models.classifier import build_classifier
from robustkit.models.files import model_header, save_tensors
from robustkit.testing import StrategySuite, tiny_batch, tiny_model

SHAPE = (3, 8, 8)


@dataclass(frozen=True)
class Unlabelled(Dataset):
    """Random images; the labels are wrong on purpose, and class 9 throughout."""

    name = "unlabelled"

    size: int = 8
    """Side of the images."""

    def load(self, split):
        images, _ = tiny_batch(60, image_shape=(3, self.size, self.size), seed=5)
        return TensorExamples(images, torch.full((60,), 9), [str(number) for number in range(10)])


@dataclass(frozen=True)
class Spied(Strategy):
    """Natural training that writes down what it is given."""

    name = "spied"

    def loss(self, model, images, labels):
        GIVEN.append((images, labels))
        return Natural().loss(model, images, labels)


GIVEN: list[tuple[torch.Tensor, torch.Tensor]] = []


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    torch.manual_seed(0)
    architecture = SmallCNN(width=2)
    model = build_classifier(architecture, 10, SHAPE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0)  # so that not all images look alike to it
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_tensors(path, model.weights(), model_header(architecture, model, tuple("0123456789"), SHAPE))
    return str(path)


class TestRST(StrategySuite):
    @pytest.fixture(autouse=True)
    def configure(self, teacher):
        attack = KLPGD(eps=0.1, step_size=0.05, steps=2)
        self.strategy = RST(strategy=Adversarial(attack=attack), unlabelled=Unlabelled(), teacher=teacher)

    def cases(self):
        return [(10, SHAPE)]


def pseudo_labels(teacher):
    images = Unlabelled().load("train").images(torch.arange(60))
    with torch.no_grad():
        return images, load_model(teacher)(images).argmax(1)


@pytest.mark.parametrize(("share", "count"), [(0.5, 8), (0.2, 2), (0.75, 24)])
def test_the_strategy_is_given_both_with_the_teachers_labels(teacher, share, count):
    GIVEN.clear()
    images, labels = tiny_batch()
    RST(strategy=Spied(), unlabelled=Unlabelled(), teacher=teacher, share=share).loss(tiny_model(), images, labels)
    ((seen, given),) = GIVEN
    pool, found = pseudo_labels(teacher)
    assert torch.equal(seen[:8], images)
    assert torch.equal(given[:8], labels)
    assert len(seen) == 8 + count
    places = torch.cdist(seen[8:].flatten(1), pool.flatten(1)).argmin(1)
    assert torch.equal(seen[8:], pool[places])
    assert torch.equal(given[8:], found[places])
    assert len(found.unique()) > 1
    assert not (found == 9).all()


def test_its_loss_is_the_weighted_sum_over_both_kinds(teacher):
    """With 8 labelled and 24 unlabelled images of a network without BatchNorm: (8 L + 24 U) / 32."""
    GIVEN.clear()
    images, labels = tiny_batch(dtype=torch.float64)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 10)).double()
    loss = RST(strategy=Spied(), unlabelled=Unlabelled(), teacher=teacher, share=0.75).loss(model, images, labels)
    seen, given = GIVEN[0]
    assert seen.dtype == torch.float64
    parts = [functional.cross_entropy(model(seen[part]), given[part]).item() for part in (slice(8), slice(8, None))]
    assert loss.item() == pytest.approx((8 * parts[0] + 24 * parts[1]) / 32, abs=1e-9)


def test_draws_are_the_same_whether_the_teacher_is_asked_now_or_was_before(teacher):
    GIVEN.clear()
    strategy = RST(strategy=Spied(), unlabelled=Unlabelled(), teacher=teacher)
    for _ in range(2):  # the first loss reads the teacher, the second has it
        torch.manual_seed(4)
        strategy.loss(tiny_model(), *tiny_batch())
    assert torch.equal(GIVEN[0][0], GIVEN[1][0])


def test_unlabelled_images_are_augmented(teacher):
    GIVEN.clear()
    noise = (GaussianNoise(std=0.1),)
    strategy = RST(strategy=Spied(), unlabelled=Unlabelled(), teacher=teacher, augmentation=noise)
    images, labels = tiny_batch()
    strategy.loss(tiny_model(), images, labels)
    pool, _ = pseudo_labels(teacher)
    assert torch.equal(GIVEN[0][0][:8], images)
    assert (torch.cdist(GIVEN[0][0][8:].flatten(1), pool.flatten(1)).min(1).values > 0.1).all()


def test_what_does_not_fit_is_refused(teacher):
    images, labels = tiny_batch(image_shape=(3, 12, 12))
    strategy = RST(strategy=Natural(), unlabelled=Unlabelled(), teacher=teacher)
    with pytest.raises(InputError, match=r"unlabelled images are \(3, 8, 8\), labelled ones \(3, 12, 12\)"):
        strategy.loss(tiny_model(), images, labels)
    with pytest.raises(WeightsError, match=r"none\.safetensors: there is no such file"):
        RST(strategy=Natural(), unlabelled=Unlabelled(), teacher="none.safetensors").loss(tiny_model(), *tiny_batch())
    with pytest.raises(InputError, match="the teacher cannot classify unlabelled images of shape"):
        RST(strategy=Natural(), unlabelled=make("dataset", "digits"), teacher=teacher).loss(tiny_model(), *tiny_batch())
    for wrong in ({"teacher": ""}, {"share": 1.0}, {"share": 0.0}):
        with pytest.raises(ComponentError):
            RST(**{"strategy": Natural(), "unlabelled": Unlabelled(), "teacher": teacher, **wrong})
