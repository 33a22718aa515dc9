"""Attacks made once and used again: for a strategy that looks at one loss under two sets of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

from robustkit.components.attack import Attack
from robustkit.errors import AttackError


class Replay:
    """The results of `perturb`, in the order of the calls."""

    def __init__(self) -> None:
        self._results: list[tuple[Attack, Tensor]] = []
        self._next: int | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Within it, attacks are made, and their results kept."""
        self._results, self._next = [], None
        with self._open():
            yield

    @contextmanager
    def again(self) -> Iterator[None]:
        """Within it, the same calls give the same results, whatever the model; nothing is attacked."""
        self._next = 0
        with self._open():
            yield

    def find(self, attack: Attack, images: Tensor) -> Tensor | None:
        """The result of the call that is being repeated, or None while results are kept.

        Raises:
            AttackError: this call was not made the first time.
        """
        if self._next is None:
            return None
        known = self._results[self._next : self._next + 1]
        if not known or known[0][0] != attack or known[0][1].shape != images.shape:
            name = attack.name or type(attack).__name__
            text = f"attack {name}: a strategy that is asked for its loss twice must make the same attacks both times."
            raise AttackError(text)
        self._next += 1
        return known[0][1]

    def add(self, attack: Attack, result: Tensor) -> None:
        """Keep a result."""
        self._results.append((attack, result))

    @contextmanager
    def _open(self) -> Iterator[None]:
        token = _replay.set(self)
        try:
            yield
        finally:
            _replay.reset(token)


_replay: ContextVar[Replay | None] = ContextVar("replay", default=None)


def replay_now() -> Replay | None:
    """The replay that is kept or repeated here, if any."""
    return _replay.get()
