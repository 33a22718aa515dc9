"""The bench of a run: tries an aggregator's weights on a network of its own, with the validation split."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from robustkit.components.aggregator import Aggregator
from robustkit.components.attack import Attack
from robustkit.components.bench import Bench
from robustkit.components.clock import Clock
from robustkit.components.examples import Examples
from robustkit.components.randomness import derive
from robustkit.components.weights import LearnerWeights, Weights, copy_
from robustkit.engine import batch_norm
from robustkit.engine.data import RunData
from robustkit.errors import DataError, InputError, TrainingError
from robustkit.evaluation.evaluator import evaluate
from robustkit.models.classifier import Classifier
from robustkit.recipe.schema import Recipe


class RunBench(Bench):
    """Made before a run's first batch and before its checkpoint is read.

    Args:
        recipe: the run's.
        data: the run's.
        model: of the architecture; its weights are not used.
        starts: the weights that each learner starts from, by the learner's name.

    Raises:
        DataError: the aggregator needs validation examples, and there are none.
        InputError: it needs the learners' common initial weights, and they start from different ones.
    """

    def __init__(self, recipe: Recipe, data: RunData, model: Classifier, starts: Mapping[str, Weights]) -> None:
        self.recipe, self.data = recipe, data
        self.found: Mapping[str, Any] = {}
        self._model = model
        self._own: Classifier | None = None
        self._initial: Weights | None = None
        needs = recipe.aggregator.needs
        if "validation examples" in needs and not len(data.validation):
            text = "measures on the validation split, which is empty"
            raise DataError(f"aggregator {recipe.aggregator.name!r} {text}: set validation_examples.")
        if "initial weights" in needs:
            self._initial = _common(starts, recipe.aggregator)

    @property
    def initial(self) -> Weights:
        """The weights that all learners started from."""
        if self._initial is None:
            name = self.recipe.aggregator.name
            raise InputError(f"aggregator {name!r} asks for initial weights, but does not name them in `needs`.")
        return self._initial

    @property
    def validation(self) -> Examples:
        """The held-out images."""
        return self.data.validation

    def recall(self, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Go on from what was found last, as a checkpoint's metrics have it."""
        self.found = metrics[-1]["global"].get("aggregator", {}) if metrics else {}

    def settle(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """Let the aggregator settle, and keep what it found as a checkpoint would give it back.

        Raises:
            TrainingError: the weights cannot be measured, or it returns what JSON cannot hold.
        """
        aggregator = self.recipe.aggregator
        try:
            found = dict(aggregator.settle(clock, merged, learners, self))
        except InputError as error:
            raise TrainingError(f"aggregator {aggregator.name!r}, epoch {clock.epoch}: {error}") from error
        try:
            self.found = json.loads(json.dumps(found, allow_nan=False))
        except (TypeError, ValueError) as error:
            text = f"settle returned what JSON cannot hold: {found!r} ({error})"
            raise TrainingError(f"aggregator {aggregator.name!r}, epoch {clock.epoch}: {text}") from error

    def measure(
        self, weights: Weights, attacks: Mapping[str, Attack] | None = None, *, recompute_batch_norm: bool = False
    ) -> dict[str, float]:
        """Accuracy on the validation split of the network with these weights, natural and under each attack."""
        network, _ = self.network(weights)
        if recompute_batch_norm:
            batch_norm.recompute_batch_norm(network, self.data.plain_batches())
        recipe = self.recipe
        settings: dict[str, Any] = {"seed": derive(recipe.seed, "aggregator"), "compute": recipe.compute}
        batch_size = recipe.evaluation.batch_size
        measured = evaluate(network, self.validation, attacks or {}, batch_size=batch_size, **settings)
        return {name: accuracy.share for name, accuracy in measured.accuracies().items() if name != "worst-case"}

    def network(self, weights: Weights) -> tuple[nn.Module, Mapping[str, Tensor]]:
        """The bench's own network with a copy of these weights, and its trainable parameters by name."""
        if self._own is None:
            self._own = copy.deepcopy(self._model).eval()
        copy_(self._own.weights(), weights)
        named = self._own.network.named_parameters()
        return self._own, {name: tensor for name, tensor in named if tensor.requires_grad}


def _common(starts: Mapping[str, Weights], aggregator: Aggregator) -> Weights:
    """A copy of the weights that all start from."""
    (first, common), *others = starts.items()
    for name, weights in others:
        if not all(torch.equal(weights[key], tensor) for key, tensor in common.items()):
            text = f"needs learners with common initial weights; {first!r} and {name!r} start from different ones"
            raise InputError(f"aggregator {aggregator.name!r} {text}.")
    return {key: tensor.clone() for key, tensor in common.items()}
