"""The machine a measurement was made on, and how it is put into a state in which measuring makes sense."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

LIBRARIES = ("torch", "numpy", "torchattacks", "foolbox", "adversarial-robustness-toolbox", "robustkit-torch")
FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "bf16")
"""What decides how fast a CPU multiplies, as Linux names it."""
_TOUCHED = 12 << 30


def facts(threads: int, device: str) -> dict[str, Any]:
    """What a reader needs in order to judge the figures; nothing that names the machine or its owner."""
    return {
        "processor": _processor(),
        "features": _features(),
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
        "system": platform.system(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "load": round(os.getloadavg()[0], 2),
    }


def in_words(machine: dict[str, Any]) -> str:
    """The facts in a sentence or two."""
    features = ", ".join(machine["features"]) or "none of those looked for"
    libraries = ", ".join(f"{name} {found}" for name, found in machine["libraries"].items())
    device = "" if machine["device"] == "cpu" else f" with one {machine['device']}"
    return (
        f"{machine['processor']}, {machine['cores']} cores{device}, {machine['threads']} threads used, "
        f"{machine['memory_gib']:g} GiB; features: {features}. {machine['system']}, {machine['libc']}, "
        f"Python {machine['python']}; {libraries}. One-minute load when the measurement began: {machine['load']:g}."
    )


def touch_memory() -> None:
    """Use much of the free memory once, up to 12 GiB.

    A virtual machine gets its memory from its host at the first touch, which was seen to make first steps ten times
    slower than later ones; whoever is measured first would pay for it.
    """
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    torch.empty(min(_TOUCHED, free * 6 // 10), dtype=torch.uint8).fill_(1)


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _features() -> list[str]:
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", _cpuinfo(), re.MULTILINE)
    flags = found[1].split() if found else []
    return [name for name in FEATURES if name in flags]


def _cpuinfo() -> str:
    listing = Path("/proc/cpuinfo")
    return listing.read_text(encoding="utf-8", errors="replace") if listing.is_file() else ""


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
