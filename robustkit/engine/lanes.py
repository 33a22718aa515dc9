"""Streams on which learners that share a batch run side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch


class Lanes:
    """One lane a learner: on a GPU a CUDA stream of its own where that is wanted, else nothing.

    Each lane waits for what was asked of the device before, and `join` makes what comes next wait for all lanes;
    between the two nothing orders one learner's kernels behind another's. Learners share no tensor but the batch, so
    the result is the same.
    """

    def __init__(self, device: torch.device, count: int, *, wanted: bool) -> None:
        self.device, self.count = device, count
        self.streams = self._made() if wanted and device.type == "cuda" and count > 1 else []

    def _made(self) -> list[torch.cuda.Stream]:
        return [torch.cuda.Stream(self.device) for _ in range(self.count)]  # type: ignore[no-untyped-call]

    def __iter__(self) -> Iterator[AbstractContextManager[None]]:
        """The lanes, each to be entered by one learner."""
        if not self.streams:
            return iter([nullcontext()] * self.count)
        return map(self._entered, self.streams)

    @contextmanager
    def _entered(self, stream: torch.cuda.Stream) -> Iterator[None]:
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            yield

    def join(self) -> None:
        """Make the device's current stream wait for every lane."""
        for stream in self.streams:
            torch.cuda.current_stream(self.device).wait_stream(stream)
