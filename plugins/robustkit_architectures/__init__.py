"""Networks for small images: a small CNN and the residual networks that adversarial training is usually measured on."""

from robustkit import Architecture, hookimpl
from robustkit_architectures.resnet import PreActResNet18, ResNet18
from robustkit_architectures.small_cnn import SmallCNN
from robustkit_architectures.wide_resnet import WideResNet


@hookimpl
def register_architectures() -> list[type[Architecture]]:
    """A small CNN, ResNet-18, PreActResNet-18 and WideResNet."""
    return [SmallCNN, ResNet18, PreActResNet18, WideResNet]
