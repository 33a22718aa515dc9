"""Data sets that need no download: real handwritten digits that come with scikit-learn, and anyone's own arrays."""

from __future__ import annotations

from robustkit import Dataset, hookimpl
from robustkit_datasets.arrays import Arrays
from robustkit_datasets.digits import Digits


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    """The data sets of this plugin."""
    return [Digits, Arrays]
