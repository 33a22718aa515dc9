"""How a run's arithmetic is done: what changes its speed and its rounding, and nothing of its method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from robustkit.components.component import Checked
from robustkit.components.fields import NonNegativeInt

Precision: TypeAlias = Literal["auto", "full", "bfloat16"]


@dataclass(frozen=True)
class Compute(Checked):
    """How the arithmetic is done. Weights, optimizer, images, perturbations and budgets stay in full precision always.

    `auto` is bfloat16 where the device computes it natively and an image costs the network more than a million
    floating-point operations, else `full`; the lock records which.
    """

    training: Precision = "auto"
    """The training passes: `full` is the recipe's `precision`; `bfloat16` runs them under autocast."""
    attack: Precision = "auto"
    """The network inside training attacks. Its images, steps and the check of the result are in full precision."""
    evaluation: Literal["full", "bfloat16-first"] = "full"
    """`bfloat16-first` attacks in bfloat16 first, and counts as broken what full precision then confirms; whatever
    survives is attacked again in full precision. So no example counts as robust that `full` would break."""
    fold_batch_norm: bool = True
    """Attacks see each BatchNorm folded into the convolution before it: the same function in fewer operations."""
    channels_last: bool = True
    """Keep the channels of a pixel together in memory, which convolutions prefer. Changes the last bits."""
    compile: Literal["none", "attack", "training", "all"] = "none"
    """What is compiled by `torch.compile`: minutes of compilation first, then fewer and larger kernels."""
    deterministic: bool = True
    """Deterministic kernels on a GPU: the same recipe gives the same weights, bit for bit."""
    overlap_learners: bool = False
    """GPU only: step the learners on streams of their own, so that their kernels overlap."""
    keep_buffers: bool = True
    """CPU with glibc only: keep freed memory in the process instead of giving it back at every step."""
    workers: NonNegativeInt | None = None
    """Processes that decode images ahead, for data sets that decode on demand; null for one a core and at most one
    a batch of an epoch, 0 for none."""
