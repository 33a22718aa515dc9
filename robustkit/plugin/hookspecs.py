"""The hooks. All of them collect: every plugin is asked, none can hide another, and order never matters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from robustkit.components.aggregator import Aggregator
    from robustkit.components.architecture import Architecture
    from robustkit.components.attack import Attack
    from robustkit.components.augmentation import Augmentation
    from robustkit.components.dataset import Dataset
    from robustkit.components.loss import Loss
    from robustkit.components.optimizer import Optimizer
    from robustkit.components.schedule import Schedule
    from robustkit.components.searcher import Searcher
    from robustkit.components.strategy import Strategy

hookspec = pluggy.HookspecMarker("robustkit")


@hookspec
def register_attacks() -> list[type[Attack]]:  # type: ignore[empty-body]
    """Return the attack classes this plugin brings."""


@hookspec
def register_architectures() -> list[type[Architecture]]:  # type: ignore[empty-body]
    """Return the architecture classes this plugin brings."""


@hookspec
def register_strategies() -> list[type[Strategy]]:  # type: ignore[empty-body]
    """Return the strategy classes this plugin brings."""


@hookspec
def register_losses() -> list[type[Loss]]:  # type: ignore[empty-body]
    """Return the loss classes this plugin brings."""


@hookspec
def register_aggregators() -> list[type[Aggregator]]:  # type: ignore[empty-body]
    """Return the aggregator classes this plugin brings."""


@hookspec
def register_datasets() -> list[type[Dataset]]:  # type: ignore[empty-body]
    """Return the data set classes this plugin brings."""


@hookspec
def register_optimizers() -> list[type[Optimizer]]:  # type: ignore[empty-body]
    """Return the optimizer classes this plugin brings."""


@hookspec
def register_schedules() -> list[type[Schedule]]:  # type: ignore[empty-body]
    """Return the schedule classes this plugin brings."""


@hookspec
def register_augmentations() -> list[type[Augmentation]]:  # type: ignore[empty-body]
    """Return the augmentation classes this plugin brings."""


@hookspec
def register_searchers() -> list[type[Searcher]]:  # type: ignore[empty-body]
    """Return the searcher classes this plugin brings."""


@hookspec
def register_recipes() -> Mapping[str, Traversable]:  # type: ignore[empty-body]
    """Return recipe files by the name `robustkit run NAME` knows them by."""


@hookspec
def run_started(run: Any) -> None:
    """Observe a run that is about to train its next epoch. `run` is the `robustkit.engine.run.Run`; change nothing."""


@hookspec
def epoch_ended(run: Any, epoch: int, metrics: Mapping[str, Any]) -> None:
    """Observe the end of an epoch, after its checkpoint is written. `metrics` is its line of metrics.jsonl."""


@hookspec
def run_ended(run: Any, report: Mapping[str, Any]) -> None:
    """Observe the end of a run. `report` is the content of report.json."""
