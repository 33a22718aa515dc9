"""Natural training: the learner strategy on clean images."""

from robustkit import Strategy, hookimpl
from robustkit_natural.natural import Natural


@hookimpl
def register_strategies() -> list[type[Strategy]]:
    """Training on clean images."""
    return [Natural]
