"""What a run spends its time on, by name. Marking a phase costs a look-up unless someone watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal, Protocol, TypeAlias

Phase: TypeAlias = Literal[
    "data", "attack", "training passes", "optimizer", "averaging", "aggregator", "evaluation", "other"
]
"""`training passes` are the strategies' forwards and backwards without their attacks."""


class Watch(Protocol):
    """Is told when a phase begins and ends; phases nest, and time belongs to the innermost."""

    def begin(self, phase: Phase) -> None:
        """The phase begins."""

    def end(self) -> None:
        """The phase that began last ends."""


_watch: ContextVar[Watch | None] = ContextVar("phase_watch", default=None)
_unwatched: AbstractContextManager[None] = nullcontext()


def phase(name: Phase) -> AbstractContextManager[None]:
    """Mark what happens within it as part of this phase."""
    watch = _watch.get()
    return _unwatched if watch is None else _marked(watch, name)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Within it, this watch is told of every phase."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


@contextmanager
def _marked(watch: Watch, name: Phase) -> Iterator[None]:
    watch.begin(name)
    try:
        yield
    finally:
        watch.end()
