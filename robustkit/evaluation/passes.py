"""Counting what goes through a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass
class Passes:
    """Images that went through a network, and images whose gradients came back."""

    forwards: int = 0
    backwards: int = 0


@contextmanager
def counted(model: nn.Module) -> Iterator[Passes]:
    """Count what goes through the model from here on, whoever sends it."""
    passes = Passes()

    def forwarded(_module: nn.Module, given: tuple[Any, ...], logits: Any) -> None:
        size = len(given[0])
        passes.forwards += size
        if isinstance(logits, Tensor) and logits.requires_grad:

            def went_back(_gradient: Tensor) -> None:
                passes.backwards += size

            logits.register_hook(went_back)  # type: ignore[no-untyped-call]

    handle = model.register_forward_hook(forwarded)
    try:
        yield passes
    finally:
        handle.remove()
