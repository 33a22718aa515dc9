"""Is the reference attack as strong as it could be? Each question compares it with a variation of itself."""

from __future__ import annotations

from robustkit.evaluation.checks.check import Finding, Status, found_in, graded, rule, skipped
from robustkit.evaluation.checks.examination import STEPS, Examination

_CARLINI = "Carlini et al. 2019, section 5"


@rule(
    threshold="at most 1 % of examples (or one) that only a single step breaks",
    advice="Iterations lead astray here: gradients are masked away from the images. Use `square` and adapt the attack.",
    source=f"{_CARLINI}: iterative attacks must beat single-step ones",
)
def iterative_beats_single_step(examined: Examination) -> Finding:
    """Examples that one gradient step breaks and PGD does not.

    Source: Carlini et al., On Evaluating Adversarial Robustness, 2019, section 5. Cost: one gradient, beside PGD.
    """
    count = int((examined.reference & ~examined.single_step).sum())
    return found_in(count, len(examined), "broken by one step, not by PGD", warn=0.01, fail=0.03)


@rule(
    threshold="one step breaks nearly what PGD does",
    advice="Train against attacks of several steps, or with a random start and a smaller step.",
    source="Wong, Rice, Kolter 2020: Fast is better than free, section 5",
)
def no_catastrophic_overfitting(examined: Examination) -> Finding:
    """Networks that hold against one step and against nothing else: what single-step training may end in.

    It fails where one step leaves half of what is right clean and PGD a tenth of it; it warns from a quarter on.
    Source: Wong, Rice, Kolter: Fast is better than free, ICLR 2020. Cost: none beside the last.
    """
    right = int(examined.natural.sum())
    if not right:
        return skipped("no example is classified right")
    once, often = int(examined.single_step.sum()) / right, int(examined.reference.sum()) / right
    text = f"of what is right, {100 * once:.1f} % hold against one step, {100 * often:.1f} % against PGD"
    collapsed = often < 0.1
    status: Status = "fail" if collapsed and once >= 0.5 else "warn" if collapsed and once >= 0.25 else "ok"
    return Finding(status, text, once - often)


@rule(
    threshold="at most 2 points less with twice the steps",
    advice="Use more steps until nothing changes, or Auto-PGD (`apgd-ce`), which chooses its step lengths itself.",
    source=f"{_CARLINI}: doubling iterations must change nothing; Pintor et al. 2022: incomplete optimization",
)
def attack_converged(examined: Examination) -> Finding:
    """Robust accuracy under PGD with k steps, and when it goes on from there for k more.

    Source: Carlini et al. 2019, section 5; Pintor et al. 2022. Cost: 2k gradients of those that stand.
    """
    lost = int((examined.reference & ~examined.longer).sum()) / len(examined)
    return graded(lost, f"{2 * STEPS} steps leave {100 * lost:.1f} points less than {STEPS}", warn=0.02, fail=0.05)


@rule(
    threshold="at most 5 points less with 5 random starts",
    advice="Report the attack with its restarts; where they keep helping, the loss has many flat or false ends.",
    source=f"{_CARLINI}: restarts must not help; Mosbach et al. 2018",
)
def restarts_do_not_help(examined: Examination) -> Finding:
    """Examples that four more random starts break.

    Source: Carlini et al. 2019, section 5. Cost: 4k gradients of those that stand.
    """
    count = int((examined.reference & ~examined.restarted).sum())
    return found_in(count, len(examined), "broken by 4 more starts", warn=0.05, fail=0.10)
