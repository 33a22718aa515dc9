"""Recipes that the tests of reading take apart."""

from __future__ import annotations

from typing import Any

MINIMAL = """\
name: tried
epochs: 4
dataset: digits
architecture: small-cnn
learners:
  natural:
    strategy: natural
    optimizer: {use: sgd, lr: 0.1}
  robust:
    strategy:
      use: adversarial
      attack: {use: pgd, eps: 8/255, steps: 3}
    optimizer: {use: sgd, lr: {0: 0.1, 4: 0.01}, weight_decay: 5e-4}
    averaging: {decay: 0.99}
aggregator:
  use: generalist
  mix: {robust: 0.5}
"""
"""Two learners, and a rate of every kind; nothing is wrong with it."""


def minimal(**changes: Any) -> dict[str, Any]:
    """The same as plain data, with one learner; `changes` replaces keys."""
    learner = {"strategy": "natural", "optimizer": {"use": "sgd", "lr": 0.1}}
    recipe = {
        "name": "tried",
        "epochs": 4,
        "dataset": "digits",
        "architecture": "small-cnn",
        "learners": {"only": learner},
        "aggregator": "single",
    }
    return recipe | changes
