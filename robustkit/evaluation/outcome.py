"""What became of each example: clean, or under one attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

NOT_ATTACKED = -1  # as a prediction
_COLUMNS = ("prediction", "loss", "linf", "l2", "images")


@dataclass
class Outcome:
    """One row an example. Rows of examples that were not attacked have prediction -1 and NaN for everything else."""

    prediction: Tensor
    """(N,), int64: the class that the network gives to the attacked image, in its own precision; -1: not attacked."""
    loss: Tensor
    """(N,), float32: cross-entropy of the true class on that image."""
    linf: Tensor
    """(N,), float32: Linf norm of the perturbation, in units of [0, 1] pixels."""
    l2: Tensor
    """(N,), float32: its L2 norm."""
    images: Tensor | None = None
    """(N, C, H, W), float32: the images themselves, where they were asked for."""
    forwards: int = 0
    """Images sent through the network by the attack, over all examples."""
    backwards: int = 0
    """Images whose gradients the attack asked for, over all examples."""

    @classmethod
    def blank(cls, examples: int, image_shape: tuple[int, ...] | None = None) -> Outcome:
        """For so many examples, none of them attacked; with room for images of a shape, if one is given."""
        nan = torch.full((examples,), torch.nan)
        images = None if image_shape is None else torch.full((examples, *image_shape), torch.nan)
        return cls(torch.full((examples,), NOT_ATTACKED), nan, nan.clone(), nan.clone(), images)

    def write(self, indices: Tensor, rows: Outcome) -> None:
        """Put the rows of some examples in their places, and add what they cost."""
        for name, column in self.columns().items():
            column[indices] = rows.columns()[name]
        self.forwards += rows.forwards
        self.backwards += rows.backwards

    def rows(self, indices: Tensor) -> Outcome:
        """The rows of some examples; what they cost alone is not known, so it counts as nothing."""
        images = None if self.images is None else self.images[indices]
        return Outcome(self.prediction[indices], self.loss[indices], self.linf[indices], self.l2[indices], images)

    def worsen(self, indices: Tensor, rows: Outcome, labels: Tensor) -> None:
        """Of two rows of an example keep the worse: a broken one, the first of two; else that of the higher loss.

        Args:
            indices: (n,): the examples of `rows`.
            rows: of n examples.
            labels: (n,): their true classes.
        """
        own = self.rows(indices)
        broken, is_broken = (row.prediction != labels for row in (own, rows))
        fresh = own.prediction == NOT_ATTACKED
        worse = fresh | (~broken & (is_broken | (rows.loss > own.loss)))
        self.write(indices[worse], rows.rows(worse.nonzero().flatten()))

    def columns(self) -> dict[str, Tensor]:
        """What there is a row of for each example."""
        return {name: value for name in _COLUMNS if (value := getattr(self, name)) is not None}

    def plain(self) -> dict[str, int]:
        """What it cost."""
        return {"forwards": self.forwards, "backwards": self.backwards}


def outcome_from(columns: Mapping[str, Tensor], cost: Mapping[str, int]) -> Outcome:
    """The outcome of these `columns()` and this `plain()`.

    Raises:
        KeyError: one is missing.
    """
    rows = (columns["prediction"], columns["loss"], columns["linf"], columns["l2"])
    return Outcome(*rows, columns.get("images"), cost["forwards"], cost["backwards"])


@dataclass(frozen=True)
class Record:
    """Everything an evaluation knows of each example."""

    names: Tensor
    """(N,), int64: a number made from the clean image's pixels, by which an example is known in another evaluation."""
    labels: Tensor
    """(N,), int64: true classes."""
    outcomes: Mapping[str, Outcome]
    """Of `natural`, of each attack, and of each member of an ensemble as `ENSEMBLE/MEMBER`."""
    worst: Outcome
    """Over all attacks: of the first that broke the example, else of that with the highest loss; clean if none was."""
    broken_by: Tensor
    """(N,), int64: number (from 0) of the first attack that broke it, in the order of the attacks; -1: none did."""

    @property
    def attacks(self) -> list[str]:
        """The attacks in their order, ensembles as one."""
        return [name for name in self.outcomes if name != "natural" and "/" not in name]
