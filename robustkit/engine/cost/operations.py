"""Floating-point operations, counted as they happen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts what convolutions, matrix products and attention compute; all else is small beside them and counts 0.

    A multiplication with its addition counts as two. torch's own `FlopCounterMode` has the same formulas, but cannot
    see inside `torch.autograd.grad` with respect to images, which is what attacks call.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        """Floating-point operations so far."""
        self.calls = 0
        """Operators called so far, of whatever kind."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and count it; one that is made of others is taken apart first."""
        kwargs = kwargs or {}
        packet = getattr(func, "_overloadpacket", func)
        if packet not in flop_registry and hasattr(func, "decompose"):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        self.calls += 1
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **kwargs, out_val=result)
        return result


@contextmanager
def counting() -> Iterator[Operations]:
    """Within it, operations are counted. What `torch.compile` compiled runs uncompiled meanwhile, as counting needs."""
    with torch.compiler.set_stance("force_eager"), Operations() as operations:
        yield operations
