"""The classic mistake: a budget in 8-bit units."""

from __future__ import annotations

from collections.abc import Iterable

from robustkit.components.attack import Norm
from robustkit.errors import Problem


def pixel_problems(norm: Norm, **lengths: float | None) -> Iterable[Problem]:
    """What no Linf length can be: more than 1, the whole range of a pixel. Other norms sum over pixels and may be."""
    for field, length in lengths.items():
        if norm == "Linf" and length is not None and length > 1.0:
            yield Problem(
                (field,),
                f"expected at most 1 in Linf, got {length:g}: pixels are in [0, 1], so for {length:g} of 255 write "
                f"{length:g}/255.",
            )
