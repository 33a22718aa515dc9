"""The bench: what an aggregator is lent at the moments when it measures before it merges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from robustkit.components.attack import Attack
from robustkit.components.examples import Examples
from robustkit.components.weights import Weights


class Bench(ABC):
    """A network to try weights on, held-out images to try them with, and what was found last.

    The images are those of the validation split; the test split is out of reach. Nothing that is done here changes the
    learners, the global learner or what is drawn later in the run.
    """

    found: Mapping[str, Any]
    """What the aggregator's last `settle` returned, also across a resumption; empty before the first."""

    @property
    @abstractmethod
    def initial(self) -> Weights:
        """The weights that all learners started from; not to be changed.

        Raises:
            InputError: the aggregator does not name them in `needs`.
        """

    @property
    @abstractmethod
    def validation(self) -> Examples:
        """The held-out images."""

    @abstractmethod
    def measure(
        self, weights: Weights, attacks: Mapping[str, Attack] | None = None, *, recompute_batch_norm: bool = False
    ) -> dict[str, float]:
        """Accuracy on the validation split of the network with these weights: `natural`, and under each attack.

        Attacks draw the same in every call of a run, so differences are the weights' own.

        Args:
            weights: of the network; not changed.
            attacks: by the names that the result uses.
            recompute_batch_norm: recompute BatchNorm's running statistics from training images first.
        """

    @abstractmethod
    def network(self, weights: Weights) -> tuple[nn.Module, Mapping[str, Tensor]]:
        """The network with a copy of these weights, in eval mode, and its trainable parameters by name.

        It maps images (N, C, H, W) in [0, 1] to logits (N, K). The same network is lent again by the next call.
        """
