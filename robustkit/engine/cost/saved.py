"""Activations: what forwards keep for their way back, in bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from robustkit.components.phases import Phase


class SavedBytes:
    """A watch that adds up what autograd saves in one phase, each time anew. Memory that tensors share counts once.

    Args:
        phase: only what is saved while it is the innermost counts.
        weights: tensors that are there anyway, and do not count.
    """

    def __init__(self, phase: Phase, weights: Iterable[Tensor]) -> None:
        self._phase, self._open = phase, list[Phase]()
        self._known = {tensor.untyped_storage().data_ptr() for tensor in weights}
        self._seen: set[int] = set()
        self._bytes = 0
        self.most = 0
        """The most bytes that the phase saved at any time."""

    def begin(self, phase: Phase) -> None:
        """The phase begins."""
        self._open.append(phase)
        if phase == self._phase:
            self._seen, self._bytes = set(self._known), 0

    def end(self) -> None:
        """The phase that began last ends."""
        self._open.pop()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Within it, what autograd saves is looked at."""
        with torch.autograd.graph.saved_tensors_hooks(self._saved, _as_it_is):
            yield

    def _saved(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if self._open and self._open[-1] == self._phase and storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self._bytes += storage.nbytes()
            self.most = max(self.most, self._bytes)
        return tensor


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor
