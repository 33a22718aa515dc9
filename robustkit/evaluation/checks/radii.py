"""Other radii: a larger budget is never worse for the attacker, and without any bound every image breaks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from robustkit.evaluation.checks.check import Finding, graded, rule, skipped
from robustkit.evaluation.checks.examination import Examination

_TIMES = (0.5, 1.0, 2.0, 4.0)


def _whole_range(examined: Examination) -> float:
    """A radius within which every image of [0, 1] pixels lies."""
    pixels = examined.images[0].numel()
    return {"Linf": 1.0, "L2": math.sqrt(pixels), "L1": float(pixels)}[examined.budget.norm]


def _right_at(examined: Examination, times: float) -> Tensor:
    eps = min(times * examined.budget.eps, _whole_range(examined))
    return examined.reference if times == 1.0 else examined.standing(f"{times:g} eps", examined.pgd(eps))


@rule(
    threshold="robust accuracy rises by at most 1 point",
    advice="Attacks fail at larger radii, where they must not: look for masked gradients far from the images.",
    source="Carlini et al. 2019, section 5: increasing the budget must increase success",
)
def larger_budgets_are_not_safer(examined: Examination) -> Finding:
    """Robust accuracy at 0.5, 1, 2 and 4 times the radius; the largest rise.

    Source: Carlini et al. 2019, section 5. Cost: three runs of PGD.
    """
    shares = [float(_right_at(examined, times).float().mean()) for times in _TIMES]
    rise = max(0.0, *(after - before for before, after in zip(shares, shares[1:], strict=False)))
    listed = ", ".join(f"{100 * share:.1f} %" for share in shares)
    return graded(rise, f"{listed} right at 0.5, 1, 2 and 4 times eps", warn=0.01, fail=0.03)


@rule(
    threshold="at most 1 % stand where anything is allowed",
    advice="The attack fails where all is allowed: gradients are masked, and its other figures mean nothing.",
    source="Carlini et al. 2019, section 5: unbounded attacks must succeed; Pintor et al. 2022",
)
def unbounded_attack_wins(examined: Examination) -> Finding:
    """PGD with the whole range of pixels on 100 examples: what still stands, stands for the attack's own fault.

    Source: Carlini et al. 2019, section 5; Pintor et al. 2022, unconstrained attack failure. Cost: two short PGDs.
    """
    among = examined.natural.clone()
    among[100:] = False
    if not bool(among.any()):
        return skipped("no example is classified right")
    eps = _whole_range(examined)
    left = examined.standing("unbounded", examined.pgd(eps), among)
    left = examined.standing("unbounded, margin", examined.pgd(eps, loss="margin"), left)
    share = float(torch.mean(left[among].float()))
    text = f"{int(left.sum())} of {int(among.sum())} examples stand with eps {eps:g} ({100 * share:.1f} %)"
    return graded(share, text, warn=0.01, fail=0.05)
