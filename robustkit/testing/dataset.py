"""What the engine expects of data sets."""

from __future__ import annotations

import torch
from torch import Tensor

from robustkit.components.dataset import Dataset, Split
from robustkit.components.examples import Examples
from robustkit.testing.component import ComponentSuite

_SPLITS: tuple[Split, ...] = ("train", "test")


class DatasetSuite(ComponentSuite):
    """Checks a data set that is in place; of each split at most `examined` images are looked at."""

    kind = "dataset"
    dataset: Dataset
    examined: int = 64

    def test_labels_name_classes(self) -> None:
        """Labels are int64, one an example, each the number of a class."""
        for split in _SPLITS:
            examples = self._load(split)
            labels = examples.labels
            assert labels.dtype == torch.int64, f"{split}: expected labels as int64, got {labels.dtype}."
            assert labels.shape == (len(examples),), f"{split}: {len(examples)} examples, labels {tuple(labels.shape)}."
            assert len(examples) > 0, f"{split}: there are no examples."
            assert examples.num_classes == len(examples.class_names) >= 2, f"{split}: classes {examples.class_names}."
            least, most = int(labels.min()), int(labels.max())
            assert 0 <= least <= most < examples.num_classes, f"{split}: labels from {least} to {most}."

    def test_images_are_pixels(self) -> None:
        """Images are float32 in [0, 1], of the promised shape."""
        for split in _SPLITS:
            examples = self._load(split)
            images = examples.images(self._some(examples))
            expected = (len(self._some(examples)), *examples.image_shape)
            assert images.shape == expected, f"{split}: expected images {expected}, got {tuple(images.shape)}."
            assert images.dtype == torch.float32, f"{split}: expected float32, got {images.dtype}."
            low, high = float(images.min()), float(images.max())
            assert 0 <= low < high <= 1, f"{split}: expected different pixels in [0, 1], got {low:g} to {high:g}."

    def test_order_is_stable(self) -> None:
        """Loaded again, a split is the same in the same order; an image depends on its own index alone."""
        for split in _SPLITS:
            first, again = self._load(split), self._load(split)
            assert torch.equal(first.labels, again.labels), f"{split}: labels came in another order."
            some = self._some(first)
            images = first.images(some)
            assert torch.equal(images, again.images(some)), f"{split}: images came in another order."
            assert torch.equal(images.flip(0), first.images(some.flip(0))), f"{split}: images depend on their order."

    def test_splits_fit_together(self) -> None:
        """Training and test split have the same classes and shape of images."""
        train, test = (self._load(split) for split in _SPLITS)
        assert train.class_names == test.class_names, f"{train.class_names} in training, {test.class_names} in testing."
        assert train.image_shape == test.image_shape, f"{train.image_shape} in training, {test.image_shape} in testing."

    def _load(self, split: Split) -> Examples:
        examples = self.dataset.load(split)
        assert isinstance(examples, Examples), f"load must return robustkit.Examples, got {examples!r}."
        return examples

    def _some(self, examples: Examples) -> Tensor:
        return torch.linspace(0, len(examples) - 1, min(self.examined, len(examples))).long()
