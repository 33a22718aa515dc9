"""A run that takes a second, a plugin of one file, and the command as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

TINY = """\
# A run that takes a second. It trains nothing worth having.
name: tiny
epochs: 2
batch_size: 64
train_examples: 128
validation_examples: 40
dataset: digits
architecture: {use: small-cnn, width: 4}
learners:
  natural:
    strategy: natural
    optimizer: {use: sgd, lr: 0.1}
  robust:
    strategy: {use: adversarial, attack: {use: pgd, eps: 0.1, steps: 1}}
    optimizer: {use: sgd, lr: 0.1}
    averaging: {decay: 0.5}
aggregator: {use: generalist, mix: {robust: 0.5}, decay: 0.5, every_epochs: 2}
evaluation:
  batch_size: 32
  test_examples: 50
  attacks: {pgd-1: {use: pgd, eps: 0.1, steps: 1}}
  select_by: pgd-1
  final_attacks:
    pgd-2: {use: pgd, eps: 0.1, steps: 2}
    noise: {use: noise, eps: 0.1}
"""

MEDIAN = '''\
from dataclasses import dataclass

import torch
from robustkit import Aggregator, hookimpl


@dataclass(frozen=True)
class Median(Aggregator):
    """The coordinate-wise median of the learners' weights. It needs no settings."""

    name = "median"

    def update(self, clock, merged, learners):
        for key, tensor in merged.items():
            tensor.copy_(torch.stack([weights[key].float() for weights in learners.values()]).median(0).values)


@hookimpl
def register_aggregators():
    """The median."""
    return [Median]
'''

Invoke = Callable[..., Result]


def environment(**changes: str) -> dict[str, str]:
    """For processes: no colours, one thread, nothing left over from whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ROBUSTKIT", "_ROBUSTKIT", "FORCE_COLOR"))}
    return {**kept, "OMP_NUM_THREADS": "1", **changes}


def process(*words: Any, cwd: Path | None = None, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "robustkit", *(str(word) for word in words)]
    return subprocess.run(
        command, cwd=cwd, env=environment(**changes), capture_output=True, text=True, check=False, timeout=120
    )
