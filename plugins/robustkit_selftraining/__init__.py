"""Self-training: images without labels are labelled by a network and trained on beside the others."""

from robustkit import Strategy, hookimpl
from robustkit_selftraining.rst import RST


@hookimpl
def register_strategies() -> list[type[Strategy]]:
    """Robust self-training."""
    return [RST]
