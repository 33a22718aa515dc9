"""The components that plain recipe values stand for and the core's own defaults, as a plugin like any other."""

from __future__ import annotations

from robustkit.components.hookimpl import hookimpl
from robustkit.components.loss import CrossEntropy, Loss
from robustkit.components.schedule import Constant, Linear, Schedule


@hookimpl
def register_schedules() -> list[type[Schedule]]:
    """The schedules that numbers and `{epoch: value}` stand for."""
    return [Constant, Linear]


@hookimpl
def register_losses() -> list[type[Loss]]:
    """The default loss."""
    return [CrossEntropy]
