"""The smallest bench: a linear layer and BatchNorm on eight images of two classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from robustkit.components.attack import Attack
from robustkit.components.bench import Bench
from robustkit.components.examples import Examples, TensorExamples
from robustkit.components.weights import Weights, copy_
from robustkit.engine.batch_norm import recompute_batch_norm
from robustkit.evaluation.evaluator import evaluate
from robustkit.testing.tiny import tiny_batch


class TinyBench(Bench):
    """Lends a network with a `weight` (2, 3) and BatchNorm's statistics `bn.*`.

    Args:
        initial: its weights, which say its type too.
    """

    def __init__(self, initial: Weights) -> None:
        self._initial, self._network = initial, _Tiny().to(initial["weight"].dtype).eval()
        images, labels = tiny_batch(8, num_classes=2, image_shape=(3, 4, 4))
        self._examples = TensorExamples(images, labels, ("a", "b"))
        self.found: Mapping[str, Any] = {}

    @property
    def initial(self) -> Weights:
        """The weights it was made with."""
        return self._initial

    @property
    def validation(self) -> Examples:
        """Eight random images."""
        return self._examples

    def measure(
        self, weights: Weights, attacks: Mapping[str, Attack] | None = None, *, recompute_batch_norm: bool = False
    ) -> dict[str, float]:
        """Accuracy on them, of which the network knows nothing but by chance."""
        network, _ = self.network(weights)
        if recompute_batch_norm:
            _recompute(network, self._examples.images(torch.arange(8)).to(self._initial["weight"].dtype))
        found = evaluate(network, self._examples, attacks or {}).accuracies()
        return {name: accuracy.share for name, accuracy in found.items() if name != "worst-case"}

    def network(self, weights: Weights) -> tuple[nn.Module, Mapping[str, Tensor]]:
        """The network with these weights, and its `weight`."""
        copy_(self._network.state_dict(), weights)
        return self._network, dict(self._network.named_parameters())


def _recompute(network: nn.Module, images: Tensor) -> None:
    recompute_batch_norm(network, [images])


class _Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 3))
        self.bn = nn.BatchNorm1d(2, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.bn(images.mean((2, 3)) @ self.weight.T)
        return logits
