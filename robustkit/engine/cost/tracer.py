"""A torch profiler trace of a few steps, for chrome://tracing or ui.perfetto.dev."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.autograd.profiler import record_function
from torch.profiler import ProfilerActivity, profile

from robustkit.components.phases import Phase

STEPS = 3
"""Steps traced at most."""
CALLS = 50_000
"""Operators traced at most; each takes some 100 bytes of the packed file and 1,000 of memory."""


class Tracer:
    """A watch that also marks the phases in the trace.

    Args:
        file: where the trace is written, packed by gzip.
        device: of the run; what a GPU does is traced beside what the CPU asks of it.
    """

    def __init__(self, file: Path, device: torch.device) -> None:
        self.file, self._left = file, STEPS
        activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
        self._profile, self._running = profile(activities=activities), False
        self._marks: list[Any] = []
        self.written = False
        """Whether the file is there."""

    @property
    def wanted(self) -> bool:
        """Whether the next step is to be traced."""
        return self._left > 0

    def limited(self, calls: int) -> bool:
        """Trace only so many steps, of so many operators each, as keep the trace small; says whether any are left."""
        self._left = min(self._left, CALLS // max(calls, 1))
        return self.wanted

    def start_step(self) -> None:
        """A step begins that is to be traced."""
        if not self._running:
            self._profile.start()
            self._running = True

    def end_step(self) -> None:
        """It has ended; after the last, the trace is written."""
        self._left -= 1
        if not self.wanted:
            self.close()

    def close(self) -> None:
        """Write what was traced, if anything was."""
        if self._running:
            self._left, self._running = 0, False
            self._profile.stop()
            self._profile.export_chrome_trace(str(self.file))
            self.written = True

    def begin(self, phase: Phase) -> None:
        """The phase begins."""
        mark: Any = record_function(phase)
        mark.__enter__()
        self._marks.append(mark)

    def end(self) -> None:
        """The phase that began last ends."""
        self._marks.pop().__exit__(None, None, None)
