"""What the engine expects of augmentations."""

from __future__ import annotations

import random

import numpy
import torch
from torch import Tensor

from robustkit.components.architecture import ImageShape
from robustkit.components.augmentation import Augmentation
from robustkit.testing.component import ComponentSuite
from robustkit.testing.tiny import tiny_batch


class AugmentationSuite(ComponentSuite):
    """Checks an augmentation on random images."""

    kind = "augmentation"
    augmentation: Augmentation
    image_shape: ImageShape = (3, 8, 8)

    def test_gives_images(self) -> None:
        """Shape and type stay, pixels are in [0, 1]; for color and gray images, for batches and one image."""
        for size in (8, 1):
            for channels in {1, self.image_shape[0]}:
                for dtype in (torch.float32, torch.float64):
                    images, _ = tiny_batch(size, image_shape=(channels, *self.image_shape[1:]), dtype=dtype)
                    augmented = self._augment(images)
                    assert augmented.shape == images.shape, f"{tuple(images.shape)} became {tuple(augmented.shape)}."
                    assert augmented.dtype == images.dtype, f"{images.dtype} became {augmented.dtype}."
                    low, high = float(augmented.min()), float(augmented.max())
                    assert 0 <= low <= high <= 1, f"pixels left [0, 1]: from {low:g} to {high:g}."

    def test_leaves_its_input_alone(self) -> None:
        """The images it is given, which other learners get too, are not changed."""
        for seed in range(4):
            images, _ = tiny_batch(image_shape=self.image_shape)
            before = images.clone()
            self._augment(images, seed)
            assert torch.equal(images, before), "the augmentation changed its images in place."

    def test_draws_from_torch_alone(self) -> None:
        """The seed of torch's global generator decides everything."""
        images, _ = tiny_batch(image_shape=self.image_shape)
        first = self._augment(images)
        random.random(), numpy.random.rand()
        assert torch.equal(first, self._augment(images)), "equal seeds gave different images."

    def _augment(self, images: Tensor, seed: int = 0) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.augmentation(images)
