"""Every classification network and every optimizer of timm, the PyTorch image models library."""

from robustkit import Architecture, Optimizer, hookimpl
from robustkit_timm.architecture import TimmArchitecture
from robustkit_timm.optimizer import TimmOptimizer


@hookimpl
def register_architectures() -> list[type[Architecture]]:
    """timm's networks."""
    return [TimmArchitecture]


@hookimpl
def register_optimizers() -> list[type[Optimizer]]:
    """timm's optimizers."""
    return [TimmOptimizer]
