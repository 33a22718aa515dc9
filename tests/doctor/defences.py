"""Planted defences: each looks robust in a way that must not count. All wrap an ordinary network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

Gate = Callable[[Tensor, Tensor], Tensor]
"""Given images and the gradient that reaches them, the gradient that goes on."""


class _Gated(torch.autograd.Function):
    """The images, with another gradient."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, gate: Gate) -> Tensor:
        ctx.save_for_backward(images)
        ctx.gate = gate
        return images.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (images,) = ctx.saved_tensors
        return ctx.gate(images, gradient), None


class Gated(nn.Module):
    """A network whose forward is honest and whose gradient is not."""

    def __init__(self, network: nn.Module, gate: Gate) -> None:
        super().__init__()
        self.network, self.gate = network, gate

    def forward(self, images: Tensor) -> Tensor:
        return self.network(_Gated.apply(images, self.gate))


def on_grid(images: Tensor) -> Tensor:
    """(N, 1, 1, 1), bool: images whose pixels are all multiples of 1/16, as those of the digits are."""
    return ((images * 16 - (images * 16).round()).abs() < 1e-3).flatten(1).all(1).reshape(-1, 1, 1, 1)


def only_on_grid(images: Tensor, gradient: Tensor) -> Tensor:
    """No gradient but at the images of the data set: one step works, iterations from a random start do not."""
    return gradient * on_grid(images)


def never_on_grid(images: Tensor, gradient: Tensor) -> Tensor:
    """A misleading gradient at the images of the data set: one step from there fails."""
    return torch.where(on_grid(images), -gradient, gradient)


def backwards(images: Tensor, gradient: Tensor) -> Tensor:
    """The way down instead of up."""
    return -gradient


def in_bands(images: Tensor, gradient: Tensor) -> Tensor:
    """Only one of 8 rows, another one wherever the image has moved: many steps are needed."""
    row = (images.double().flatten(1).sum(1) * 1e4).long().remainder(8)
    mask = torch.arange(8).reshape(1, 1, 8, 1) == row.reshape(-1, 1, 1, 1)
    return gradient * mask


def by_the_corner(images: Tensor, gradient: Tensor) -> Tensor:
    """A gradient only where the start was lucky: the corner pixel tells, and never moves."""
    kept = gradient * (images[:, :, :1, :1] > 0.07)
    kept[:, :, :1, :1] = 0
    return kept


class Rounded(nn.Module):
    """Rounds images to a few levels; with `straight`, its gradient pretends that it does not."""

    def __init__(self, network: nn.Module, levels: int = 4, *, straight: bool = False) -> None:
        super().__init__()
        self.network, self.levels, self.straight = network, levels, straight

    def forward(self, images: Tensor) -> Tensor:
        rounded = (images * self.levels).round() / self.levels
        return self.network(images + (rounded - images).detach() if self.straight else rounded)


class Vanishing(nn.Module):
    """Squashes pixels so hard that nothing of the gradient is left."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(torch.sigmoid(2000 * (images - 0.4)))


class Scaled(nn.Module):
    """Logits so large that cross-entropy is exactly 0."""

    def __init__(self, network: nn.Module, scale: float = 1e4) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images) * self.scale


class Softmax(nn.Module):
    """Probabilities instead of logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images).softmax(1)


class Noisy(nn.Module):
    """Random noise at inference."""

    def __init__(self, network: nn.Module, scale: float = 0.1) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images + self.scale * torch.randn_like(images))


class Purified(nn.Module):
    """Takes steps towards its own first guess before it answers: optimization at inference."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        for _ in range(2):
            with torch.enable_grad():
                pixels = images.detach().requires_grad_()
                logits = self.network(pixels)
                functional.cross_entropy(logits, logits.argmax(1)).backward(inputs=[pixels])
            images = (images - 0.05 * pixels.grad.sign()).clamp(0, 1)
        return self.network(images)


class Detached(nn.Module):
    """Computes without a graph."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)


class Stubborn(nn.Module):
    """Does not hear `eval()`, so BatchNorm goes on with the batch's statistics and keeps moving its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        super().train(True)

    def train(self, mode: bool = True) -> Stubborn:
        return self

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)


class BatchStatistics(nn.BatchNorm2d):
    """BatchNorm that normalizes by the batch in eval mode, too: the stale mode that no flag shows."""

    def forward(self, features: Tensor) -> Tensor:
        return functional.batch_norm(features, None, None, self.weight, self.bias, training=True)


def with_batch_statistics(network: nn.Module) -> nn.Module:
    """The network itself, each BatchNorm replaced by one that looks at the batch; hand it a copy."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = BatchStatistics
    return network


class Sociable(nn.Module):
    """Takes no image alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        if len(images) == 1:
            raise ValueError("expected more than 1 image")
        return self.network(images)


class Counting(nn.Module):
    """Changes a buffer with each image it sees."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return self.network(images)


class Rippled(nn.Module):
    """Adds a wave that is much shorter than any budget: the slope points anywhere."""

    def __init__(self, network: nn.Module, height: float = 3.0) -> None:
        super().__init__()
        self.network, self.height = network, height

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(images)
        phases = torch.arange(logits.shape[1]) * 1.7
        return logits + self.height * torch.sin(3000 * images.flatten(1).mean(1, keepdim=True) + phases)


class Fallback(nn.Module):
    """Answers far from the images it knows as the nearest of them would, without a gradient."""

    def __init__(self, network: nn.Module, known: Tensor, radius: float) -> None:
        super().__init__()
        self.network, self.known, self.radius = network, known, radius

    def forward(self, images: Tensor) -> Tensor:
        apart = torch.cdist(images.detach().flatten(1), self.known.flatten(1))
        nearest = self.known[apart.argmin(1)]
        far = (images.detach() - nearest).abs().flatten(1).amax(1) > self.radius
        return self.network(torch.where(far.reshape(-1, 1, 1, 1), nearest, images))


class BetweenBytes(nn.Module):
    """Fooled by whatever no 8-bit picture can hold, and by nothing else the attack tries first."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        scaled = images.detach() * 255
        between = (scaled - scaled.round()).abs().flatten(1).mean(1) > 0.05
        logits = self.network(images)
        fooled = between & ~on_grid(images.detach()).flatten()
        return torch.where(fooled.unsqueeze(1), logits.roll(1, dims=1), logits)


class Undefined(nn.Module):
    """No number for dark images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images) * (images.flatten(1).mean(1, keepdim=True) - 0.3).sqrt()


class Reordered(nn.Module):
    """The right answers under the wrong names, or beside classes that do not exist."""

    def __init__(self, network: nn.Module, *, extra: int = 0) -> None:
        super().__init__()
        self.network, self.extra = network, extra

    def forward(self, images: Tensor) -> Tensor:
        logits = self.network(images)
        return functional.pad(logits, (0, self.extra), value=-9.0) if self.extra else logits.roll(1, dims=1)
