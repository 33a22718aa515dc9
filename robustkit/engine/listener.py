"""Who is told how a run goes. The engine calls these directly; they change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from robustkit.components.clock import Clock
from robustkit.engine.checkpoint import Progress
from robustkit.engine.folder import RunFolder
from robustkit.engine.learner import Learner
from robustkit.recipe.schema import Recipe


class Watched(Protocol):
    """What of a run a listener may look at: the `robustkit.engine.run.Run` itself, none of it to be changed."""

    recipe: Recipe
    folder: RunFolder
    device: torch.device
    clock: Clock
    learners: dict[str, Learner]
    progress: Progress


class Listener:
    """Hears how a run goes. Override what you want to hear."""

    def started(self, run: Watched) -> None:
        """Everything is built; training starts or, where `run.progress.epoch` is not 0, goes on."""

    def batch_ended(self, run: Watched) -> None:
        """`run.clock` has just ticked; the learners' losses so far are in `run.learners[...].losses`."""

    def epoch_ended(self, run: Watched, metrics: Mapping[str, Any]) -> None:
        """The epoch is measured and its checkpoint written; `metrics` is its line of metrics.jsonl."""

    def measuring(self, network: str, part: str, done: int, total: int) -> None:
        """So many examples of `total` are done of `part`: `natural` or an attack's name."""

    def warned(self, text: str) -> None:
        """Something deserves attention but stops nothing."""

    def ended(self, run: Watched, report: Mapping[str, Any]) -> None:
        """The report is written."""
