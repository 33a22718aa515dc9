"""Randomness by name: a seed for every purpose, so that nothing depends on what was drawn before."""

from __future__ import annotations

import hashlib

import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A seed (62 bits) that depends on the given seed and everything it is named after, and on nothing else.

    A resumed run therefore draws what the uninterrupted one would have, and another learner changes no one's draws.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 2


def seed_globally(seed: int, device: torch.device) -> None:
    """Seed torch's global generators, of the CPU and of the device.

    `torch.manual_seed` does so for every GPU, and takes most of a millisecond on a machine without one.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
