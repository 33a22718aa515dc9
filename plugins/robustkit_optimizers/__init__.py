"""Optimizers: torch's SGD, Adam and AdamW, and sharpness-aware minimization."""

from robustkit import Optimizer, hookimpl
from robustkit_optimizers.adam import Adam, AdamW
from robustkit_optimizers.sgd import SGD
from robustkit_optimizers.sharpness import SAM


@hookimpl
def register_optimizers() -> list[type[Optimizer]]:
    """SGD, Adam, AdamW and SAM."""
    return [SGD, Adam, AdamW, SAM]
