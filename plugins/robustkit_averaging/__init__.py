"""Aggregators beside Generalist: uniform averages over training, and networks that are not merged at all."""

from robustkit import Aggregator, hookimpl
from robustkit_averaging.uniform import SWA, WA
from robustkit_averaging.unmerged import Single, Unmerged


@hookimpl
def register_aggregators() -> list[type[Aggregator]]:
    """Weight averaging over batches or epochs, one learner, and learners side by side."""
    return [WA, SWA, Single, Unmerged]
