from dataclasses import dataclass

import torch

from robustkit import Aggregator, hookimpl


@dataclass(frozen=True)
class Median(Aggregator):
    """The coordinate-wise median of the learners' weights."""

    name = "median"

    def update(self, clock, merged, learners):
        for key, tensor in merged.items():
            tensor.copy_(torch.stack([weights[key] for weights in learners.values()]).median(0).values)


@hookimpl
def register_aggregators():
    return [Median]
