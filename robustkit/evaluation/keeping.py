"""A final measurement that leaves its examples on disk, and saved images looked at again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustkit.attacking.isolation import modes_restored
from robustkit.components.attack import Attack
from robustkit.components.examples import Examples
from robustkit.errors import AttackError
from robustkit.evaluation.classification import classified
from robustkit.evaluation.evaluator import Report, evaluate
from robustkit.evaluation.measurement import Accuracy, Measurement
from robustkit.evaluation.outcome import Record
from robustkit.evaluation.store import read_record, save_record
from robustkit.recipe.compute import Compute
from robustkit.recipe.lock import plain
from robustkit.recipe.schema import EvaluationRecipe


def measure_and_keep(
    model: nn.Module,
    examples: Examples,
    settings: EvaluationRecipe,
    *,
    seed: int,
    compute: Compute,
    report: Report,
    file: Path,
    unfinished: Path,
    header: Mapping[str, Any],
) -> tuple[Measurement, dict[str, Any] | None]:
    """Measure a network under the final attacks and write what became of each example.

    Args:
        model: see `evaluate`.
        examples: the test examples.
        settings: attacks, batch size and manner.
        seed: of the attacks' randomness.
        compute: see `evaluate`.
        report: told about progress.
        file: where the examples are written.
        unfinished: a folder for finished batches; the caller removes it.
        header: what is to be kept with the examples.

    Returns:
        The measurement, and where images were kept, what `looked_at_again` says of them.

    Raises:
        AttackError: saved images are classified otherwise than when they were found.
    """
    attacks: Mapping[str, Attack] = settings.final_attacks
    found = evaluate(
        model,
        examples,
        attacks,
        batch_size=settings.batch_size,
        seed=seed,
        report=report,
        compute=compute,
        manner=settings.manner,
        unfinished=unfinished,
    )
    assert found.record is not None
    described = {"attacks": {name: plain(attack) for name, attack in attacks.items()}, "seed": seed}
    save_record(file, found.record, {**header, **described})
    if not settings.manner.keep_images:
        return found, None
    record, _ = read_record(file)
    return found, looked_at_again(model, record, examples.num_classes, settings.batch_size)


def looked_at_again(model: nn.Module, record: Record, classes: int, batch_size: int = 500) -> dict[str, Any]:
    """Classify a record's saved worst-case images once more, as they are and rounded to 8 bits a channel.

    Rounding moves a pixel by up to 1/510, so it may leave a ball of Linf radius eps by as much: a picture file can hold
    nothing finer.

    Returns:
        `float32` and `8-bit`: accuracies on the images, as report.json holds them.

    Raises:
        AttackError: an image is classified otherwise than the record says: the figure cannot be repeated.
        ValueError: the record has no images.
    """
    images = record.worst.images
    if images is None:
        raise ValueError("this record was made without keep_images.")
    with modes_restored(model):
        model.eval()
        again = _predictions(model, images, record.labels, classes, batch_size)
        rounded = _predictions(model, (images * 255).round() / 255, record.labels, classes, batch_size)
    # The batches are others than when the images were found, so logits may differ in their last bits.
    other = int((again != record.worst.prediction).sum())
    if other > max(1, len(again) // 1000):
        raise AttackError(
            f"{other} of {len(again)} saved images are classified otherwise than when they were found: the network "
            "answers at random, or by what else is in the batch. Such a figure cannot be repeated: robustkit doctor."
        )
    right = {"float32": again == record.labels, "8-bit": rounded == record.labels}
    return {name: Accuracy(int(held.sum()), len(held)).plain() for name, held in right.items()}


def _predictions(model: nn.Module, images: Tensor, labels: Tensor, classes: int, batch_size: int) -> Tensor:
    like: Any = next(model.parameters(), torch.zeros(()))
    parts = []
    for some, truth in zip(torch.split(images, batch_size), torch.split(labels, batch_size), strict=True):
        parts.append(classified(model, some.to(like.device, like.dtype), truth.to(like.device), classes)[0])
    return torch.cat(parts)
