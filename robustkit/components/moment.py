"""What a strategy may know beside its batch: what it noted at earlier batches, and what time it is in the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from robustkit.components.clock import Clock
from robustkit.components.schedule import Rate, Schedule, rate_at
from robustkit.errors import InputError

Memory: TypeAlias = dict[str, dict[str, Tensor]]
"""A learner's memory: by the strategy's name, the tensors it noted."""


@dataclass(frozen=True)
class _Moment:
    memory: Memory
    clock: Clock | None


_moment: ContextVar[_Moment | None] = ContextVar("moment", default=None)


@contextmanager
def training_moment(memory: Memory, clock: Clock | None = None) -> Iterator[None]:
    """Within it, strategies note and find in this memory, and schedules follow this clock.

    A run does this for each of its learners. A training loop of your own does it around `Strategy.loss` with the same
    dictionary, empty at first, at every batch.
    """
    token = _moment.set(_Moment(memory, clock))
    try:
        yield
    finally:
        _moment.reset(token)


def remembered(strategy: str) -> dict[str, Tensor]:
    """What the strategy of this name noted for the learner that is being trained; whatever is put in is found again.

    Tensors only, and put in anew instead of changed in place. Checkpoints hold them, so a resumed run finds the same;
    they may lie on another device then. Empty at first, and always where nobody keeps a memory (see
    `training_moment`).
    """
    moment = _moment.get()
    return {} if moment is None else moment.memory.setdefault(strategy, {})


def rate_now(rate: Rate) -> float:
    """A rate's value at this moment of the run: a number is itself, a schedule follows the run's clock.

    Raises:
        InputError: it is a schedule, and nobody keeps a clock (see `training_moment`).
    """
    moment = _moment.get()
    if not isinstance(rate, Schedule):
        return rate
    if moment is None or moment.clock is None:
        raise InputError("a schedule needs a run's clock: give a number, or call this within `training_moment`.")
    return rate_at(rate, moment.clock)


@contextmanager
def notes_dropped() -> Iterator[None]:
    """Within it, strategies find their memory as it is; what they note is forgotten afterwards."""
    moment = _moment.get()
    with training_moment(copied(moment.memory) if moment else {}, moment.clock if moment else None):
        yield


def copied(memory: Mapping[str, Mapping[str, Tensor]]) -> Memory:
    """The same tensors in other dictionaries."""
    return {strategy: dict(notes) for strategy, notes in memory.items()}
