"""A network with its normalization inside: what learners train, attacks see and files hold."""

from __future__ import annotations

from statistics import fmean
from typing import cast

import torch
from torch import Tensor, nn

from robustkit.components.architecture import Architecture, ImageShape, Normalization
from robustkit.components.weights import Weights
from robustkit.errors import InputError


class Classifier(nn.Module):
    """Maps [0, 1] images (N, C, H, W) to logits (N, K): normalizes, then runs the network.

    Mean and standard deviation are no part of the weights, so that averaging weights never touches them.
    """

    def __init__(self, network: nn.Module, normalization: Normalization | None = None) -> None:
        super().__init__()
        self.network, self.normalization = network, normalization
        if normalization is not None:
            for name, values in (("mean", normalization.mean), ("std", normalization.std)):
                self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, K) of images (N, C, H, W) in [0, 1], in the images' type, under autocast too."""
        if self.normalization is not None:
            images = (images - cast(Tensor, self.mean)) / cast(Tensor, self.std)
        logits = self.network(images)
        return logits.to(images.dtype) if isinstance(logits, Tensor) else cast(Tensor, logits)

    def weights(self) -> Weights:
        """The network's parameters and persistent buffers by name; the tensors themselves, not copies.

        A tensor that has several names (tied weights) is listed once.
        """
        named: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name, tensor in self.network.state_dict(keep_vars=True).items():
            if id(tensor) not in seen:
                seen.add(id(tensor))
                named[name] = tensor.detach()
        return named


def build_classifier(
    architecture: Architecture, num_classes: int, image_shape: ImageShape, normalization: Normalization | None = None
) -> Classifier:
    """Build the architecture's network, with the given normalization or else its own.

    Raises:
        InputError: architecture, images and normalization do not fit together.
    """
    chosen = normalization or _own_normalization(architecture, image_shape[0])
    for part, values in (("mean", chosen.mean), ("std", chosen.std)) if chosen else ():
        if len(values) not in (1, image_shape[0]):
            raise InputError(f"normalization.{part} has {len(values)} values, images have {image_shape[0]} channels.")
    try:
        classifier = Classifier(architecture.build(num_classes, image_shape), chosen)
        was_training = classifier.training
        with torch.no_grad():
            logits = classifier.eval()(torch.zeros(2, *image_shape))
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"architecture {architecture.name!r} cannot take images of shape {tuple(image_shape)} "
            f"and {num_classes} classes: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (2, num_classes):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(
            f"architecture {architecture.name!r}: expected logits (N, {num_classes}), got {shape} for N = 2."
        )
    return classifier.train(was_training)


def _own_normalization(architecture: Architecture, channels: int) -> Normalization | None:
    """The architecture's; for grey images the mean over the colours its weights were trained on."""
    own = architecture.normalization
    return Normalization((fmean(own.mean),), (fmean(own.std),)) if own and channels == 1 else own
