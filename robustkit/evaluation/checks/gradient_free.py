"""Attacks without the network's gradients must be weaker than those with them."""

from __future__ import annotations

from torch import nn

from robustkit.evaluation.checks.check import Finding, found_in, rule, skipped
from robustkit.evaluation.checks.examination import Examination, state_of

_DRAWS = 50
_QUERIES = 500


@rule(
    threshold="at most 1 % of examples (or one) that only noise breaks",
    advice="Gradients mislead here. Report the per-example worst case, and adapt the attack to the defence.",
    source="Carlini et al. 2019, section 5: random noise must be weaker",
)
def noise_is_weaker(examined: Examination) -> Finding:
    """Examples that one of 50 draws of uniform noise breaks and no gradient attack does.

    Source: Carlini et al. 2019, section 5. Cost: 50 forwards of those that stand.
    """
    left = examined.standing("noise", examined.attack("noise", draws=_DRAWS), examined.white_box)
    count = int((examined.white_box & ~left).sum())
    return found_in(count, len(examined), "broken by noise, not by gradients", warn=0.01, fail=0.03)


@rule(
    threshold="at most 1 % of examples (or one) that only Square breaks",
    advice="Gradients are masked. Add `square` with 5,000 queries to the evaluation, or run `autoattack`.",
    source="Carlini et al. 2019, section 5: white-box must beat black-box; AutoAttack: check_square_sr",
)
def white_box_beats_black_box(examined: Examination) -> Finding:
    """Examples that a random search of 500 queries breaks and no gradient attack does.

    AutoAttack allows 0.2 points on 1,000 examples; on a few hundred that is less than one.
    Source: Carlini et al. 2019, section 5; AutoAttack, `check_square_sr`. Cost: 500 forwards of those that stand.
    """
    if examined.budget.norm == "L1":
        return skipped("the Square attack knows no L1")
    left = examined.standing("square", examined.attack("square", queries=_QUERIES), examined.white_box)
    count = int((examined.white_box & ~left).sum())
    return found_in(count, len(examined), "broken by Square, not by gradients", warn=0.01, fail=0.03)


@rule(
    threshold="at most 1 % of examples (or one) that only transferred images break",
    advice="Gradients of this network mislead, as another's serve better: add `transfer` attacks to the evaluation.",
    source="Carlini et al. 2019, section 5: transferred attacks must be weaker",
)
def transfer_is_weaker(examined: Examination) -> Finding:
    """Examples that images crafted on the other networks break and no gradient attack on this one does.

    Source: Carlini et al. 2019, section 5. Cost: one PGD on each other network.
    """
    if not examined.others:
        return skipped("there is no second network: a run with several learners has some")
    others = {name: other for name, other in examined.others.items() if not _is_the_same(examined, other)}
    if not others:
        return skipped("the other networks are this one")
    left = examined.white_box
    for name, other in others.items():
        crafted = examined.perturbed(f"transfer/{name}", examined.pgd(), left, other)
        left = left & examined.right(crafted)
    count = int((examined.white_box & ~left).sum())
    return found_in(count, len(examined), "broken by transfer, not by own gradients", warn=0.01, fail=0.03)


def _is_the_same(examined: Examination, other: nn.Module) -> bool:
    """Whether the other has the same modules with the same weights: a run's only learner is its global one."""
    return str(other) == str(examined.model) and state_of(other) == examined.state_before
