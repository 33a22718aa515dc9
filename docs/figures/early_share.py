"""Computes how much of what the natural learner was before the first hand-out is left in the final global learner.

The recipe's own aggregator merges one-number networks: the natural learner is 1 until its first hand-out, the robust
one 0, and neither moves by itself. What the global learner holds at the end is the coefficient of the natural learner's
early weights in it.

`python docs/figures/early_share.py generalist-released 390`
"""

from __future__ import annotations

import sys

import torch

from robustkit import Clock, LearnerWeights, Recipe, load_recipe
from robustkit.components.weights import copy_, lerp_, warmed_up


def early_share(recipe: Recipe, batches: int, learner: str = "natural") -> float:
    """The coefficient, for a run of so many batches an epoch."""
    merged = _number(0.0)
    learners = {name: LearnerWeights(_number(float(name == learner)), _number(0.0)) for name in recipe.learners}
    clock = Clock(recipe.epochs, batches)
    for epoch in range(1, recipe.epochs + 1):
        clock.start_epoch(epoch)
        for _ in range(batches):
            for name, weights in learners.items():
                _average(recipe, name, weights, clock.step + 1)
            clock.tick()
            recipe.aggregator.update(clock, merged, learners)
            if recipe.aggregator.redistributes(clock):
                for weights in learners.values():
                    copy_(weights.raw, merged)
    return float(merged["weight"])


def _average(recipe: Recipe, name: str, weights: LearnerWeights, step: int) -> None:
    """Move a learner's average as the engine does."""
    averaging = recipe.learners[name].averaging
    if averaging is not None and weights.average is not None:
        decay = warmed_up(averaging.decay, step) if averaging.warm_up else averaging.decay
        lerp_(weights.average, weights.raw, 1.0 - decay)


def _number(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.tensor([value], dtype=torch.float64)}


if __name__ == "__main__":
    sys.stdout.write(f"{early_share(load_recipe(sys.argv[1]), int(sys.argv[2])):.4%}\n")
