"""Published image data sets that torchvision knows, and folders of image files."""

from __future__ import annotations

from robustkit import Dataset, hookimpl
from robustkit_torchvision.cifar import Cifar10, Cifar100
from robustkit_torchvision.image_folder import ImageFolder
from robustkit_torchvision.mnist import FashionMnist, Mnist
from robustkit_torchvision.svhn import Svhn


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    """The data sets of this plugin."""
    return [Mnist, FashionMnist, Cifar10, Cifar100, Svhn, ImageFolder]
