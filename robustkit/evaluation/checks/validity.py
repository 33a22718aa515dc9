"""Are adversarial images what they were when they were found? Saved, read again, one at a time, in 8 bits."""

from __future__ import annotations

import torch
from safetensors.torch import load, save

from robustkit.evaluation.checks.check import Finding, found_in, graded, rule, skipped
from robustkit.evaluation.checks.examination import WITNESSES, Examination


@rule(
    threshold="at most 1 % of images (or one) with another class",
    advice="Count successes by predicting the saved images again, never by the attack's own word.",
    source="foolbox#674, RobustBench#7",
)
def predictions_repeat(examined: Examination) -> Finding:
    """The reference attack's images, saved as float32 and read again, in another order and one at a time.

    Source: foolbox#674 (success flag and prediction differ), RobustBench#7. Cost: two forwards.
    """
    images, first = examined.adversarial, examined.logits(examined.adversarial).argmax(1)
    again = load(save({"images": images.cpu().contiguous()}))["images"].to(images.device)
    backwards = examined.logits(again.flip(0)).argmax(1).flip(0)
    # Broken ones are the close calls, so they come first.
    order = examined.reference.to(torch.uint8).argsort(stable=True)[: 2 * WITNESSES]
    alone = examined.logits(again[order], batch_size=1).argmax(1)
    differs = backwards != first
    differs[order] |= alone != first[order]
    return found_in(int(differs.sum()), len(examined), "predictions differ when repeated", warn=0.01, fail=0.01)


@rule(
    threshold="robust accuracy in 8 bits at most 2 points higher",
    advice="Report both figures: adversarial images that exist only between 8-bit values cannot be saved as pictures.",
    source="ZOO-Attack#2, nn_robust_attacks#3, auto-attack#44",
)
def survives_8_bits(examined: Examination) -> Finding:
    """The reference attack's worst images rounded to multiples of 1/255.

    Source: ZOO-Attack#2, auto-attack#44. Cost: one PGD of those that are broken.
    """
    if not bool(examined.natural.any()):
        return skipped("no example is classified right")
    # The first misclassified image lies barely beyond the boundary; rounding is to be judged on the worst one.
    broken = examined.natural & ~examined.reference
    worst = examined.perturbed("reference", examined.pgd(keep="best"), broken)
    images = torch.where(broken.reshape(-1, 1, 1, 1), worst, examined.adversarial)
    exact = examined.natural & examined.right(images)
    rounded = examined.natural & examined.right((images * 255).round() / 255)
    gain = (int(rounded.sum()) - int(exact.sum())) / len(examined)
    shares = [100 * float(right.float().mean()) for right in (exact, rounded)]
    return graded(gain, f"{shares[0]:.1f} % robust, {shares[1]:.1f} % in 8 bits", warn=0.02, fail=0.10)
