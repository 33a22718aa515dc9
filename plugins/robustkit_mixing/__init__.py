"""Training on mixtures of images, and of their labels: mixup, CutMix, interpolated adversarial training."""

from robustkit import Strategy, hookimpl
from robustkit_mixing.cutmix import CutMix
from robustkit_mixing.iat import IAT
from robustkit_mixing.mixup import Mixup


@hookimpl
def register_strategies() -> list[type[Strategy]]:
    """Mixup, CutMix and interpolated adversarial training."""
    return [Mixup, CutMix, IAT]
