"""Generalist: learners trained apart, merged into one network, and dealt out again."""

from robustkit import Aggregator, hookimpl
from robustkit_generalist.generalist import Generalist


@hookimpl
def register_aggregators() -> list[type[Aggregator]]:
    """The Generalist aggregator."""
    return [Generalist]
