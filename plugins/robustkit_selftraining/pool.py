"""Images without labels, with those that a network gives them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robustkit import Classifier, Examples
from robustkit.errors import InputError

_AT_A_TIME = 500


@dataclass(frozen=True)
class Pool:
    """Images, and the class that the teacher finds likeliest for each."""

    examples: Examples
    labels: Tensor
    """(N,), int64, on the CPU."""

    @classmethod
    def labelled_by(cls, teacher: Classifier, examples: Examples) -> Pool:
        """Pseudo-labels; the examples' own labels are not looked at.

        Raises:
            InputError: the teacher does not take such images.
        """
        found = []
        for indices in torch.split(torch.arange(len(examples)), _AT_A_TIME):
            found.append(_logits(teacher, examples.images(indices), "unlabelled").argmax(dim=1))
        return cls(examples, torch.cat(found))

    def drawn(self, count: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """So many images and pseudo-labels, with replacement, of the type and on the device of `like`.

        Raises:
            InputError: they have another shape.
        """
        if self.examples.image_shape != tuple(like.shape[1:]):
            text = f"unlabelled images are {self.examples.image_shape}, labelled ones {tuple(like.shape[1:])}"
            raise InputError(f"strategy rst: {text}: choose data sets of one shape.")
        indices = torch.randint(len(self.labels), (count,))
        return self.examples.images(indices).to(like), self.labels[indices].to(like.device)


def class_count(teacher: Classifier, image_shape: tuple[int, ...]) -> int:
    """How many classes a network knows that is to label images of this shape.

    Raises:
        InputError: it does not take such images.
    """
    return _logits(teacher, torch.zeros(1, *image_shape), "the data set's").shape[1]


def _logits(teacher: Classifier, images: Tensor, whose: str) -> Tensor:
    try:
        logits: Tensor = teacher(images)
    except RuntimeError as error:
        text = f"the teacher cannot classify {whose} images of shape {tuple(images.shape[1:])}: {error}"
        raise InputError(f"strategy rst: {text}") from error
    return logits
