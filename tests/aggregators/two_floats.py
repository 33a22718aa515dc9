"""Weights of two floats, on which merging can be followed by hand."""

from __future__ import annotations

import torch

from robustkit import Clock, LearnerWeights


def weights(*values):
    """A network of these floats."""
    return {"w": torch.tensor(values, dtype=torch.float64)}


def learner(*values, average=None):
    """A learner with these raw weights, and a moving average where one is given."""
    return LearnerWeights(weights(*values), None if average is None else weights(*average))


def network(mean, var, count, w=0.0):
    """A network with one weight and BatchNorm's three buffers."""
    return {
        "w": torch.tensor([w], dtype=torch.float64),
        "bn.running_mean": torch.tensor([mean], dtype=torch.float64),
        "bn.running_var": torch.tensor([var], dtype=torch.float64),
        "bn.num_batches_tracked": torch.tensor(count),
    }


def moments(epochs, batches):
    """A clock at each of a run's moments, as the engine passes through them; batch 0 is before the first."""
    for epoch in range(1, epochs + 1):
        for batch in range(batches + 1):
            yield Clock(epochs, batches, epoch, batch)


def train(aggregator, merged, path, epochs, batches):
    """Update after every batch with what `path(clock)` says the learners are; gives the merged floats after each."""
    history = []
    for clock in moments(epochs, batches):
        if clock.batch > 0:
            aggregator.update(clock, merged, path(clock))
            history.append(merged["w"].tolist())
    return history
