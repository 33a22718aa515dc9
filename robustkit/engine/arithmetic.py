"""In which precision and form a run computes: the recipe's `compute` section, decided for a device and a network."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from robustkit.attacking.isolation import modes_restored
from robustkit.attacking.lean import AttackArithmetic
from robustkit.recipe.compute import Compute, Precision

WORTH_IT = 1_000_000
"""Below so many floating-point operations an image, casting costs as much as computing in bfloat16 saves."""


@dataclass(frozen=True)
class RunArithmetic:
    """What was decided."""

    training: torch.dtype | None
    """What training passes run in under autocast; None for the weights' own type."""
    attack: AttackArithmetic
    """How networks compute in training attacks."""
    compile_training: bool

    def named(self) -> dict[str, str]:
        """The precisions by name, as the lock and reports record them."""
        return {"training": "bfloat16" if self.training else "full", "attack": self.attack.precision}


def decide(compute: Compute, model: nn.Module, image_shape: tuple[int, ...]) -> RunArithmetic:
    """The arithmetic for a model that is on its device and in its precision already."""
    parameter = next(model.parameters(), torch.zeros(()))
    worth_it = parameter.dtype == torch.float32 and has_bfloat16(parameter.device)
    if worth_it and "auto" in (compute.training, compute.attack):
        worth_it = forward_flops(model, image_shape) > WORTH_IT

    def chosen(asked: Precision) -> bool:
        return worth_it if asked == "auto" else asked == "bfloat16"

    return RunArithmetic(
        training=torch.bfloat16 if chosen(compute.training) else None,
        attack=AttackArithmetic(
            "bfloat16" if chosen(compute.attack) else "full",
            compute.fold_batch_norm,
            compute.compile in ("attack", "all"),
        ),
        compile_training=compute.compile in ("training", "all"),
    )


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 numbers natively: GPUs from compute capability 8, CPUs that say so."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and _cpu_has_bfloat16()


@cache
def _cpu_has_bfloat16() -> bool:
    """Read from Linux's list of the processor's features; elsewhere it is not known, so not assumed."""
    listing = Path("/proc/cpuinfo")
    text = listing.read_text(encoding="utf-8", errors="replace") if listing.is_file() else ""
    return bool(re.search(r"^(?:flags|Features)\s*:.*\b(?:avx512_bf16|amx_bf16|bf16)\b", text, re.MULTILINE))


def forward_flops(model: nn.Module, image_shape: tuple[int, ...]) -> int:
    """Floating-point operations of one image's forward, a multiplication and an addition counted as two."""
    parameter = next(model.parameters(), torch.zeros(()))
    image = torch.zeros(1, *image_shape, device=parameter.device, dtype=parameter.dtype)
    with modes_restored(model), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(image)
    return int(counter.get_total_flops())


def place(model: nn.Module, compute: Compute, device: torch.device) -> None:
    """Move a model, in place, to a device and into the memory format that `compute` asks for."""
    model.to(device)
    if compute.channels_last:
        model.to(memory_format=torch.channels_last)
