"""Suites for architectures, data sets, schedules and augmentations find what is wrong with broken ones."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy
import pytest
import torch
from suite_failures import failures
from torch import nn

from robustkit import Architecture, Augmentation, Dataset, Schedule, TensorExamples
from robustkit.components.schedule import Constant, Linear
from robustkit.testing import ArchitectureSuite, AugmentationSuite, DatasetSuite, ScheduleSuite, tiny_model

CALLS = itertools.count()


@dataclass(frozen=True)
class Tiny(Architecture):
    """The tiny model with weights from the global generator."""

    name = "tiny"

    def build(self, num_classes, image_shape):
        return tiny_model(num_classes, image_shape[0], seed=int(torch.randint(2**31, ())))


@dataclass(frozen=True)
class Noise(Dataset):
    """Random images."""

    name = "noise"

    def load(self, split):
        generator = torch.Generator().manual_seed(len(split))
        images = torch.randint(256, (20, 3, 4, 4), generator=generator, dtype=torch.uint8)
        return TensorExamples(images, torch.arange(20) % 4, "abcd")


@dataclass(frozen=True)
class Flip(Augmentation):
    """Mirrors every other image, more or less."""

    name = "flip"

    def __call__(self, images):
        chosen = torch.rand(len(images), 1, 1, 1) < 0.5
        return torch.where(chosen, images.flip(-1), images)


@dataclass(frozen=True)
class Falling(Schedule):
    """From 1 to 0 over the run."""

    name = "falling"

    def __call__(self, epoch, epochs):
        return 1.0 - epoch / epochs

    def extremes(self):
        return (0.0, 1.0)


class TestTiny(ArchitectureSuite):
    architecture = Tiny()


class TestNoise(DatasetSuite):
    dataset = Noise()


class TestFlip(AugmentationSuite):
    augmentation = Flip()


class TestSchedules(ScheduleSuite):
    @pytest.fixture(
        autouse=True, params=[Falling(), Constant(0.1), Linear({0: 1.0, 4: 0.2}, every_batch=True)], ids=repr
    )
    def configure(self, request):
        self.schedule = request.param


def broken(sound, **members):
    cls = type("Broken", (type(sound),), {"name": "broken", "__doc__": "Broken on purpose.", **members})
    return dataclass(frozen=True)(cls)()


class Hidden(nn.Module):
    """A network that keeps weights where state_dict does not see them."""

    def __init__(self, network):
        super().__init__()
        self.network, self.scale = network, torch.rand(())

    def forward(self, images):
        return self.network(images) * self.scale


class Rounded(nn.Module):
    """A network whose first operation has no gradient."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network((images * 255).round() / 255)


@pytest.mark.parametrize(
    ("build", "test"),
    [
        (lambda self, classes, shape: Tiny().build(classes + 1, shape), "test_gives_logits"),
        (lambda self, classes, shape: Tiny().build(classes, (3, *shape[1:])), "test_gives_logits"),
        (lambda self, classes, shape: Rounded(Tiny().build(classes, shape)), "test_gradients_flow"),
        (lambda self, classes, shape: tiny_model(classes, shape[0]), "test_equal_seeds_build_equal_networks"),
        (
            lambda self, classes, shape: tiny_model(classes, shape[0], seed=numpy.random.randint(2**31)),
            "test_equal_seeds_build_equal_networks",
        ),
        (lambda self, classes, shape: Hidden(Tiny().build(classes, shape)), "test_weights_are_the_whole_network"),
    ],
)
def test_broken_architectures(build, test):
    assert test in failures(ArchitectureSuite, broken(Tiny(), build=build))


def test_a_network_that_is_handed_out_twice():
    shared = tiny_model()
    found = failures(
        ArchitectureSuite, broken(Tiny(), build=lambda self, classes, shape: shared), image_shapes=[(3, 8, 8)]
    )
    assert "share" in found["test_equal_seeds_build_equal_networks"]


def test_a_parameter_that_is_never_used():
    def build(self, classes, shape):
        network = Tiny().build(classes, shape)
        network[-1].unused = nn.Parameter(torch.rand(3))
        return network

    assert (
        "no gradient reaches 5.unused"
        in failures(ArchitectureSuite, broken(Tiny(), build=build))["test_gradients_flow"]
    )


def shuffled(self, split, calls=CALLS):
    order = torch.randperm(20, generator=torch.Generator().manual_seed(next(calls)))
    return Noise().load(split).subset(order)


def other_classes(self, split):
    examples = Noise().load(split)
    examples.class_names = ("a", "b", "c", split)
    return examples


def wrong_labels(self, split):
    examples = Noise().load(split)
    examples.labels = examples.labels + 1
    return examples


def too_bright(self, split):
    examples = Noise().load(split)
    examples.images = lambda indices: TensorExamples.images(examples, indices) * 255
    return examples


@pytest.mark.parametrize(
    ("load", "test"),
    [
        (shuffled, "test_order_is_stable"),
        (other_classes, "test_splits_fit_together"),
        (wrong_labels, "test_labels_name_classes"),
        (too_bright, "test_images_are_pixels"),
        (lambda self, split: [], "test_images_are_pixels"),
    ],
)
def test_broken_data_sets(load, test):
    assert test in failures(DatasetSuite, broken(Noise(), load=load))


def in_place(self, images):
    images[0] = 0.5
    return images


def drawing_elsewhere(self, images):
    return images.roll(numpy.random.randint(1, 4), dims=-1) * numpy.random.rand()


@pytest.mark.parametrize(
    ("call", "test"),
    [
        (in_place, "test_leaves_its_input_alone"),
        (drawing_elsewhere, "test_draws_from_torch_alone"),
        (lambda self, images: images + 0.5, "test_gives_images"),
        (lambda self, images: images[..., 1:], "test_gives_images"),
        (lambda self, images: images.half(), "test_gives_images"),
    ],
)
def test_broken_augmentations(call, test):
    assert list(failures(AugmentationSuite, broken(Flip(), __call__=call))) == [test]


@pytest.mark.parametrize(
    ("members", "test"),
    [
        (
            {"__call__": lambda self, epoch, epochs: 1 / epoch if epoch else float("inf")},
            "test_has_a_value_at_every_moment",
        ),
        ({"__call__": lambda self, epoch, epochs: None}, "test_has_a_value_at_every_moment"),
        ({"__call__": lambda self, epoch, epochs, c=CALLS: 1 / (1 + next(c))}, "test_keeps_no_state"),
        ({"extremes": lambda self: (0.5, 1.0)}, "test_stays_between_its_extremes"),
        ({"extremes": lambda self: ()}, "test_stays_between_its_extremes"),
        ({"last_epoch": property(lambda self: -1.0)}, "test_describes_itself"),
        ({"per_batch": property(lambda self: "yes")}, "test_describes_itself"),
    ],
)
def test_broken_schedules(members: Mapping, test):
    assert test in failures(ScheduleSuite, broken(Falling(), **members))
