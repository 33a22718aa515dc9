"""The balls attacks move in: a random start, the steepest step and the way back inside, for each norm.

Every operation treats the first dimension as examples and whatever follows as one vector; none waits for the device.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from robustkit import Streams
from robustkit.components.attack import Norm

SPARSITY = 0.05
"""Share of pixel values that an L1 step moves where nothing else is said."""


@dataclass(frozen=True)
class Ball(ABC):
    """All perturbations whose norm is at most `eps`, in units of [0, 1] pixels."""

    eps: float

    def random_image(self, images: Tensor, streams: Streams) -> Tensor:
        """Images moved by a perturbation drawn uniformly from the ball, then clamped to [0, 1]."""
        return (images + self.random(images, streams)).clamp(0.0, 1.0)

    def step(self, images: Tensor, gradient: Tensor, size: float) -> Tensor:
        """Images moved by `size`, measured in the ball's norm, in the direction of steepest ascent."""
        return torch.add(images, self.direction(images, gradient), alpha=size)

    def inside(self, images: Tensor, clean: Tensor) -> Tensor:
        """The images, brought back into the ball around `clean` and then into [0, 1]."""
        return (clean + self.project(images - clean)).clamp(0.0, 1.0)

    @abstractmethod
    def random(self, images: Tensor, streams: Streams) -> Tensor:
        """A perturbation for each image, uniform in the ball."""

    @abstractmethod
    def direction(self, images: Tensor, gradient: Tensor) -> Tensor:
        """The direction of norm 1 in which the loss grows fastest; zero where the gradient is zero."""

    @abstractmethod
    def project(self, perturbation: Tensor) -> Tensor:
        """The nearest perturbation (in Euclidean distance) inside the ball."""


@dataclass(frozen=True)
class LinfBall(Ball):
    """Every pixel value may move by `eps`."""

    def random(self, images: Tensor, streams: Streams) -> Tensor:
        """Every pixel value on its own, uniform in [-eps, eps]."""
        return (2.0 * streams.uniform_like(images) - 1.0) * self.eps

    def direction(self, images: Tensor, gradient: Tensor) -> Tensor:
        """The gradient's sign."""
        return gradient.sign()

    def project(self, perturbation: Tensor) -> Tensor:
        """Each pixel value clamped."""
        return perturbation.clamp(-self.eps, self.eps)


@dataclass(frozen=True)
class L2Ball(Ball):
    """The Euclidean length of the perturbation is at most `eps`."""

    def random(self, images: Tensor, streams: Streams) -> Tensor:
        """A uniform direction (a normalized Gaussian), times a radius whose power by the dimension is uniform."""
        towards = streams.normal_like(images)
        radius = _column(streams.uniform(dtype=images.dtype), images) ** (1.0 / images[0].numel())
        return towards * (self.eps * radius / _length(towards, 2))

    def direction(self, images: Tensor, gradient: Tensor) -> Tensor:
        """The gradient, normalized; first by its largest value, since squares of saturated gradients underflow."""
        smallest = torch.finfo(gradient.dtype).tiny
        scaled = gradient / _length(gradient, torch.inf).clamp_min(smallest)
        return scaled / _length(scaled, 2).clamp_min(smallest)

    def project(self, perturbation: Tensor) -> Tensor:
        """Longer perturbations shortened."""
        return _shortened(perturbation, self.eps, 2)


@dataclass(frozen=True)
class L1Ball(Ball):
    """The pixel values' moves sum to at most `eps`.

    Steps are sparse, as in Tramer and Boneh (Adversarial Training and Robustness for Multiple Perturbations, NeurIPS
    2019, the SLIDE attack): the values with the largest gradients share the step equally.
    """

    sparsity: float = SPARSITY

    def random(self, images: Tensor, streams: Streams) -> Tensor:
        """Uniform: exponential lengths divided by their sum and one more, with random signs."""
        lengths = -torch.log1p(-streams.uniform_like(images))
        beyond = -torch.log1p(-streams.uniform(dtype=images.dtype))
        signs = (streams.uniform_like(images) - 0.5).sign()
        return signs * lengths * (self.eps / (_length(lengths, 1) + _column(beyond, images)))

    def direction(self, images: Tensor, gradient: Tensor) -> Tensor:
        """Signs of the largest gradients among the values that can still move that way inside [0, 1]."""
        movable = torch.where(gradient > 0, images < 1.0, images > 0.0)
        size = (gradient.abs() * movable).flatten(1)
        count = max(1, round(self.sparsity * size.shape[1]))
        least = _column(size.topk(count, dim=1).values[:, -1], gradient)
        chosen = gradient.sign() * (movable & (gradient.abs() >= least))
        return chosen / _length(chosen, 1).clamp_min(1.0)

    def project(self, perturbation: Tensor) -> Tensor:
        """Every move shortened by the same length, down to zero (Duchi et al., ICML 2008, figure 1)."""
        moves = perturbation.abs()
        ordered = moves.flatten(1).sort(dim=1, descending=True).values
        excess = ordered.cumsum(dim=1) - self.eps
        ranks = torch.arange(1, ordered.shape[1] + 1, dtype=ordered.dtype, device=ordered.device)
        last = (ordered * ranks > excess).sum(dim=1, keepdim=True).clamp_min(1)
        shift = _column((excess.gather(1, last - 1) / last).clamp_min(0.0), perturbation)
        # Long sums round: what they leave too long is scaled.
        return _shortened(perturbation.sign() * (moves - shift).clamp_min(0.0), self.eps, 1)


def ball(norm: Norm, eps: float, sparsity: float | None = None) -> Ball:
    """The ball of that norm and radius."""
    if norm == "L1":
        return L1Ball(eps, SPARSITY if sparsity is None else sparsity)
    return LinfBall(eps) if norm == "Linf" else L2Ball(eps)


def _length(vectors: Tensor, order: float) -> Tensor:
    """The norm of each example, shaped to broadcast over the examples."""
    length: Tensor = torch.linalg.vector_norm(vectors, order, dim=tuple(range(1, vectors.ndim)), keepdim=True)
    return length


def _column(values: Tensor, like: Tensor) -> Tensor:
    """One value an example, shaped to broadcast over the examples."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def _shortened(vectors: Tensor, eps: float, order: float) -> Tensor:
    length = _length(vectors, order).clamp_min(torch.finfo(vectors.dtype).tiny)
    return vectors * (eps / length).clamp_max(1.0)
