"""Which device a run uses."""

from __future__ import annotations

import torch

from robustkit.errors import InputError


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is the first GPU where there is one, else the CPU.

    Raises:
        InputError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        count = torch.cuda.device_count()
        reason = str(error).split("\n")[0]
        raise InputError(
            f"device {name!r}: expected auto, cpu, or one of {count} CUDA devices here. {reason}"
        ) from error
    return device
