"""The bundled augmentations keep what the engine expects of every augmentation."""

from __future__ import annotations

import pytest
from robustkit_augmentations import Cutout, GaussianNoise, HorizontalFlip, RandomCrop

from robustkit import Augmentation
from robustkit.testing import AugmentationSuite

AUGMENTATIONS = [
    RandomCrop(),
    RandomCrop(padding=10),
    RandomCrop(padding=7, mode="reflect"),
    HorizontalFlip(),
    HorizontalFlip(probability=1.0),
    Cutout(size=3),
    Cutout(size=8, fill=1.0),
    GaussianNoise(),
    GaussianNoise(std=5.0),
]


class TestAugmentations(AugmentationSuite):
    @pytest.fixture(autouse=True, params=AUGMENTATIONS, ids=repr)
    def configure(self, request: pytest.FixtureRequest) -> None:
        self.augmentation: Augmentation = request.param
