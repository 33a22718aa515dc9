"""A run's data: loaded once, split once, dealt out in batches that depend on nothing but the seed and the epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from robustkit.components.randomness import derive, seed_globally
from robustkit.engine.loading import BatchReader
from robustkit.errors import DataError
from robustkit.recipe.schema import Recipe


class RunData:
    """Training, validation and test examples of one run.

    Raises:
        DataError: the data set cannot be loaded, or is too small for the recipe.
    """

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        train, test = recipe.dataset.load("train"), recipe.dataset.load("test")
        if train.image_shape != test.image_shape or train.class_names != test.class_names:
            raise DataError(
                f"dataset {recipe.dataset.name}: training images {train.image_shape} in {train.num_classes} classes, "
                f"test images {test.image_shape} in {test.num_classes}."
            )
        held_out = recipe.validation_examples
        if held_out is None:
            held_out = min(1000, len(train) // 10)
        if held_out >= len(train):
            text = f"validation_examples is {held_out}, which leaves none of the {len(train)} examples to train on."
            raise DataError(f"{text} Lower it.")
        by = recipe.evaluation.select_by
        if held_out == 0 and by != "last":
            text = f"select_by: {by} needs validation examples, but a tenth of {len(train)} training examples is none."
            raise DataError(f"{text} Set validation_examples.")
        kept, validation = stratified(train.labels, held_out, derive(recipe.seed, "validation"))
        if recipe.train_examples is not None and recipe.train_examples < len(kept):
            _, chosen = stratified(train.labels[kept], recipe.train_examples, derive(recipe.seed, "subset"))
            kept = kept[chosen]
        if len(kept) < recipe.batch_size:
            raise DataError(
                f"batch_size is {recipe.batch_size}, but only {len(kept)} training examples are left "
                f"({len(train)} less {held_out} for validation). Lower batch_size or validation_examples."
            )
        count = len(test) if recipe.evaluation.test_examples is None else recipe.evaluation.test_examples
        self.recipe, self.device = recipe, device
        self.dtype = torch.float64 if recipe.precision == "float64" else torch.float32
        train, test = train.to(device), test.to(device)  # once: training and validation examples share their memory
        self.train, self.validation = train.subset(kept), train.subset(validation)
        self.test = test.subset(torch.arange(min(count, len(test))))
        self.batches_per_epoch = len(kept) // recipe.batch_size
        self._reader = BatchReader(self.train, device, self.dtype, workers=recipe.compute.workers)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The epoch's batches: images (batch_size, C, H, W) with the shared augmentation, labels (batch_size,).

        Augmentation draws from torch's global generator, seeded for each batch. Neither workers nor devices change the
        order, and nothing here waits for the device.
        """
        generator = torch.Generator().manual_seed(derive(self.recipe.seed, "order", epoch))
        order = torch.randperm(len(self.train), generator=generator)
        for number, (images, labels) in enumerate(self._reader.batches(self._split(order))):
            seed_globally(derive(self.recipe.seed, "augmentation", epoch, number), self.device)
            for augmentation in self.recipe.augmentation:
                images = augmentation(images)
            yield images, labels
        if epoch == self.recipe.epochs:
            self.close()

    def plain_batches(self) -> Iterator[Tensor]:
        """The training images in order, without augmentation: what BatchNorm statistics are recomputed from.

        A last, smaller batch is left out, as in training: all batches count alike, and one image alone has no variance.
        """
        for images, _ in self._reader.batches(self._split(torch.arange(len(self.train)))):
            yield images

    def close(self) -> None:
        """End the processes that decode images, if there are any; they come back when they are needed again."""
        self._reader.close()

    def _split(self, order: Tensor) -> tuple[Tensor, ...]:
        """These indices in whole batches, where the labels are: moved there at once, as each move waits."""
        used = order[: self.batches_per_epoch * self.recipe.batch_size].to(self.train.labels.device)
        return torch.split(used, self.recipe.batch_size)


def stratified(labels: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two sorted lists of indices: all but `count` examples, and `count` examples, as even over classes as can be.

    Raises:
        DataError: there are not more than `count` examples.
    """
    if count >= len(labels):
        raise DataError(f"{count} examples were to be taken from {len(labels)}, which leaves none.")
    labels = labels.cpu()
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    by_class = shuffled[torch.argsort(labels[shuffled], stable=True)]
    # Every len/count-th of the examples ordered by class, from half a step in, takes the same share of each class.
    places = ((torch.arange(count, dtype=torch.float64) + 0.5) * (len(labels) / max(count, 1))).long()
    taken = torch.zeros(len(labels), dtype=torch.bool)
    taken[by_class[places]] = True
    everything = torch.arange(len(labels))
    return everything[~taken], everything[taken]
