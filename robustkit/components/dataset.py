"""Data sets: where labelled images come from."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from robustkit.components.component import Component
from robustkit.components.examples import Examples

Split: TypeAlias = Literal["train", "test"]


@dataclass(frozen=True)
class Dataset(Component):
    """Loads the training and the test split. Validation examples are held out of the training split by the engine."""

    kind: ClassVar[str] = "dataset"

    @abstractmethod
    def load(self, split: Split) -> Examples:
        """Return all examples of a split, always in the same order.

        Raises:
            DataError: the data is missing, unreadable or not what it must be; says where it was looked for.
        """
