"""Schedules: steps, a cosine, one cycle, and a warm-up in front of any of them."""

from robustkit import Schedule, hookimpl
from robustkit_schedules.cosine import Cosine
from robustkit_schedules.one_cycle import OneCycle
from robustkit_schedules.steps import Steps
from robustkit_schedules.warm_up import WarmUp


@hookimpl
def register_schedules() -> list[type[Schedule]]:
    """Steps, Cosine, OneCycle and WarmUp; constants and straight lines are the core's."""
    return [Steps, Cosine, OneCycle, WarmUp]
