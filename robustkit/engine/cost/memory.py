"""How much memory is in use."""

from __future__ import annotations

import resource
import sys

import torch


def memory_in_use(device: torch.device) -> int:
    """Bytes: on a GPU what tensors take there now, and from here on the peak counts anew; else as `peak_memory`."""
    if device.type != "cuda":
        return peak_memory(device)
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def peak_memory(device: torch.device) -> int:
    """Bytes: on a GPU the most that tensors took there, else the most that this process had resident, so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
