"""Augmentations of whole batches: random crops, mirroring, cutout and noise."""

from robustkit import Augmentation, hookimpl
from robustkit_augmentations.crop import RandomCrop
from robustkit_augmentations.cutout import Cutout
from robustkit_augmentations.flip import HorizontalFlip
from robustkit_augmentations.noise import GaussianNoise


@hookimpl
def register_augmentations() -> list[type[Augmentation]]:
    """RandomCrop, HorizontalFlip, Cutout and GaussianNoise."""
    return [RandomCrop, HorizontalFlip, Cutout, GaussianNoise]
