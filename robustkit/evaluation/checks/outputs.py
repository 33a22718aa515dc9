"""What the network gives: logits, numbers, as many as there are classes."""

from __future__ import annotations

import torch

from robustkit.evaluation.checks.check import Finding, found_in, graded, rule
from robustkit.evaluation.checks.examination import Examination
from robustkit.evaluation.measurement import Accuracy


@rule(
    threshold="no row of probabilities",
    advice="Return the logits: leave the softmax out, or attack what comes before it.",
    source="AutoAttack, checks.py: check_range_output",
)
def outputs_are_logits(examined: Examination) -> Finding:
    """Rows within [0, 1] that sum to 1 are a softmax's, under which cross-entropy is flat.

    Source: AutoAttack (Croce and Hein, ICML 2020), `check_range_output`. Cost: none.
    """
    rows = examined.clean.double()
    sums = (rows.sum(1) - 1).abs() < 1e-4
    count = int((sums & (rows >= -1e-6).all(1) & (rows <= 1 + 1e-6).all(1)).sum())
    return found_in(count, len(examined), "outputs are probabilities", warn=0.05, fail=0.5)


@rule(
    threshold="every output is a number",
    advice="Find where the network divides by zero or overflows; an attack cannot climb from there.",
    source="Carlini et al. 2019, section 4.3: gradients and losses must be sound",
)
def outputs_are_finite(examined: Examination) -> Finding:
    """Outputs that are infinite or not a number, on clean images and on random ones around them.

    Source: Carlini et al., On Evaluating Adversarial Robustness, 2019. Cost: one forward.
    """
    around = examined.logits(examined.uniform("finite", examined.pixel_radius))
    broken = ~(torch.isfinite(examined.clean).all(1) & torch.isfinite(around).all(1))
    return found_in(int(broken.sum()), len(examined), "outputs are not finite", warn=0.0, fail=0.0)


@rule(
    threshold="above chance, by the 95 % interval",
    advice="Check the weights, the normalization and the order of the classes: robustness of guesses means nothing.",
    source="Carlini et al. 2019: report clean accuracy",
)
def clean_accuracy(examined: Examination) -> Finding:
    """Accuracy on the clean images must be above chance; it is reported with its sample size in any case.

    Source: Carlini et al. 2019, section 4: clean accuracy must be reported. Cost: none.
    """
    accuracy = Accuracy(int(examined.natural.sum()), len(examined))
    above = accuracy.interval[0] > 1 / examined.classes
    text = f"right on clean images: {accuracy} of {len(examined)}"
    return Finding("ok" if above else "fail", text, accuracy.share)


@rule(
    threshold="interval of at most +-10 points",
    advice="Measure more examples; differences within the interval are not significant.",
    source="Wilson 1927; Carlini et al. 2019: report the sample size",
)
def enough_examples(examined: Examination) -> Finding:
    """The 95 % Wilson interval of robust accuracy says how much the sample can mean.

    Source: Wilson 1927. Cost: none.
    """
    accuracy = Accuracy(int(examined.reference.sum()), len(examined))
    low, high = accuracy.interval
    text = f"robust to the reference attack: {accuracy}, +-{50 * (high - low):.1f} points on {len(examined)} examples"
    return graded((high - low) / 2, text, warn=0.10, fail=0.20)
