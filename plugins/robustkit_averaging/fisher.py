"""Merging weighted by Fisher information."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from robustkit import Aggregator, Attack, Bench, Clock, LearnerWeights, Weights, perturb
from robustkit.components.aggregator import Need
from robustkit.components.fields import Positive, PositiveInt
from robustkit.components.weights import mix_
from robustkit.errors import Problem
from robustkit_averaging.mixing import Statistics, at_the_end, due, to_merge, unknown_learners


@dataclass(frozen=True)
class Fisher(Aggregator):
    """At the ends of epochs, a mean of the learners in which each single weight counts by its Fisher information.

    Matena, Raffel: Merging Models with Fisher-Weighted Averaging, NeurIPS 2022: sum(F * weight) / sum(F), with the
    diagonal of the Fisher information matrix: the mean over images of the squared slopes of log p(class), expected
    over the classes under the network's own p. Ours: it is taken on held-out images, attacked ones for learners that
    train on such. Weights on which no learner's outputs depend are averaged plainly; so are buffers.
    """

    name = "fisher"

    attacks: Mapping[str, Attack] = field(default_factory=dict)
    """By learner: its information is taken on images that this attack made against it; clean ones for all others."""
    importance: Mapping[str, Positive] = field(default_factory=dict)
    """By learner: what its information is multiplied with; 1 for all others."""
    examples: PositiveInt = 100
    """Validation images that are used, evenly spread; as many as there are where that is less."""
    every_epochs: PositiveInt = 1
    """Merge at the end of every so many epochs, and of the last; between them the merged weights stay. Before the first
    merge they are the learners' plain mean."""
    batch_norm: Statistics = "recompute"
    """BatchNorm's running statistics: `recompute` them from training images, or `average` them plainly."""

    @property
    def needs(self) -> frozenset[Need]:
        """Held-out images."""
        return frozenset({"validation examples"})

    def update(self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        """The plain mean at the ends of epochs before the first merge."""
        if at_the_end(clock) and clock.epoch < self.every_epochs:
            self._average(merged, learners)

    def settles(self, clock: Clock) -> bool:
        """At the ends of the epochs that `every_epochs` names."""
        return at_the_end(clock) and due(clock, self.every_epochs)

    def settle(
        self, clock: Clock, merged: Weights, learners: Mapping[str, LearnerWeights], bench: Bench
    ) -> Mapping[str, Any]:
        """Merge; returns the trace of each learner's information."""
        information = {name: self._information(name, weights, bench) for name, weights in learners.items()}
        self._average(merged, learners)
        for key in next(iter(information.values())):
            weights = [self.importance.get(name, 1.0) * information[name][key] for name in learners]
            weighted_mean_(merged[key], [learner[key] for learner in learners.values()], weights)
        traces = {name: sum(float(part.sum()) for part in parts.values()) for name, parts in information.items()}
        return {"found_in_epoch": clock.epoch, "fisher_trace": traces}

    def _average(self, merged: Weights, learners: Mapping[str, LearnerWeights]) -> None:
        share = 1.0 / len(learners)
        mix_(to_merge(merged, self.batch_norm), [(learner, share) for learner in learners.values()])

    def _information(self, name: str, weights: Weights, bench: Bench) -> dict[str, Tensor]:
        network, parameters = bench.network(weights)
        total, count = len(bench.validation), min(self.examples, len(bench.validation))
        labels = bench.validation.labels
        places = torch.arange(count, device=labels.device) * total // count
        device, dtype = next((tensor.device, tensor.dtype) for tensor in parameters.values())
        images, labels = bench.validation.images(places).to(device, dtype), labels[places].to(device)
        if name in self.attacks:
            images = perturb(self.attacks[name], network, images, labels, seed=0)
        return fisher_information(network, parameters, images)

    def recomputes_batch_norm(self, clock: Clock) -> bool:
        """At the ends of epochs, as `batch_norm` says."""
        return self.batch_norm == "recompute" and at_the_end(clock)

    def problems_in_run(self, learners: Sequence[str], epochs: int) -> Iterable[Problem]:
        """Attacks or importances of learners that do not exist."""
        yield from unknown_learners(self.attacks, learners, ("attacks",))
        yield from unknown_learners(self.importance, learners, ("importance",))


def fisher_information(network: nn.Module, parameters: Mapping[str, Tensor], images: Tensor) -> dict[str, Tensor]:
    """The diagonal of the Fisher information matrix of each parameter, float64, of the parameter's shape.

    Args:
        network: in eval mode; maps images (N, C, H, W) to logits (N, K).
        parameters: of the network, by name.
        images: over which the mean is taken, one by one.
    """
    total = {name: torch.zeros_like(tensor, dtype=torch.float64) for name, tensor in parameters.items()}
    tensors = list(parameters.values())
    with torch.enable_grad():
        for place in range(len(images)):
            logs = network(images[place : place + 1]).log_softmax(1)[0]
            for log, share in zip(logs, logs.detach().exp().tolist(), strict=True):
                slopes = torch.autograd.grad(log, tensors, retain_graph=True, allow_unused=True)
                for part, slope in zip(total.values(), slopes, strict=True):
                    if slope is not None:
                        part.add_(slope.double().square_(), alpha=share / len(images))
    return total


@torch.no_grad()
def weighted_mean_(merged: Tensor, tensors: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
    """Where the weights sum to more than 0, `merged` becomes the tensors' weighted mean, computed in float64."""
    whole = torch.stack(list(weights)).sum(0)
    products = [weight * tensor.double() for weight, tensor in zip(weights, tensors, strict=True)]
    mean = torch.stack(products).sum(0) / whole
    merged.copy_(torch.where(whole > 0, mean, merged.double()))
