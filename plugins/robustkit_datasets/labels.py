"""Class labels as people save them: checked, and the classes they imply."""

from __future__ import annotations

import torch
from torch import Tensor

from robustkit.errors import DataError


def check_labels(labels: Tensor, origin: str) -> Tensor:
    """The labels as int64 of shape (N,); a column (N, 1) is fine too.

    Raises:
        DataError: they are one-hot, of another shape, or no integers.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and _one_hot(labels):
        raise DataError(
            f"{origin}: one-hot labels of shape {tuple(labels.shape)}; expected one class number an image. "
            "Save them with `.argmax(axis=1)`."
        )
    if labels.ndim != 1:
        raise DataError(f"{origin}: expected one label an image, shape (N,), got {tuple(labels.shape)}.")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        name = str(labels.dtype).removeprefix("torch.")
        raise DataError(f"{origin}: expected integer class numbers, got {name}. Save them with `.astype('int64')`.")
    return labels.long()


def class_count(labels: Tensor, origin: str) -> int:
    """How many classes labels 0 to their largest speak of, where nobody named the classes.

    Raises:
        DataError: they do not look like class numbers from 0 on.
    """
    if len(labels) == 0:
        raise DataError(f"{origin}: there are no labels.")
    least, most = int(labels.min()), int(labels.max())
    if least < 0:
        raise DataError(f"{origin}: expected labels from 0 on, got {least}.")
    if least > 0:
        raise DataError(
            f"{origin}: expected labels from 0 on, the smallest is {least}. Subtract {least}, or give `class_names`, "
            f"the first {least} of which then have no example."
        )
    if most >= len(labels):
        raise DataError(
            f"{origin}: labels reach {most}, which makes more classes than the {len(labels)} examples. "
            "Number the classes from 0 on, or give `class_names`."
        )
    return most + 1


def _one_hot(labels: Tensor) -> bool:
    return bool(((labels == 0) | (labels == 1)).all() and ((labels == 1).sum(1) == 1).all())
