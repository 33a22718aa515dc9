"""The gradients that attacks follow: are there any, and do they tell the truth?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from robustkit.evaluation.checks.check import Finding, found_in, graded, rule, skipped
from robustkit.evaluation.checks.examination import Examination


@dataclass(frozen=True)
class Slopes:
    """Gradients at the clean images that are classified right; None where there are none."""

    cross_entropy: Tensor | None
    """(M,): the largest entry of each gradient of the cross-entropy, NaN where one is not finite."""
    margin: Tensor | None
    """(M,): that of the margin."""
    directions: Tensor | None
    """(M, ...): the margin's gradients themselves."""
    losses: Tensor
    """(M,): cross-entropies."""


def margins(logits: Tensor, labels: Tensor) -> Tensor:
    """The largest other logit minus the true one (N,): positive where an example is misclassified."""
    own = labels.unsqueeze(1)
    return logits.scatter(1, own, -torch.inf).amax(1) - logits.gather(1, own).squeeze(1)


def _slopes(examined: Examination) -> Slopes:
    images, labels = examined.images[examined.natural], examined.labels[examined.natural]
    parts: dict[str, list[Tensor]] = {"cross_entropy": [], "margin": [], "directions": []}
    for pixels, targets in zip(
        torch.split(images, examined.batch_size), torch.split(labels, examined.batch_size), strict=True
    ):
        for name in ("cross_entropy", "margin"):
            gradient = _gradient(examined, pixels, targets, name)
            if gradient is None:
                continue
            flat = gradient.flatten(1)
            parts[name].append(torch.where(flat.isfinite().all(1), flat.abs().amax(1), torch.nan))
            if name == "margin":
                parts["directions"].append(gradient)
    whole = {name: torch.cat(found) if found else None for name, found in parts.items()}
    losses = functional.cross_entropy(examined.clean[examined.natural], labels, reduction="none")
    return Slopes(losses=losses, **whole)


def _gradient(examined: Examination, images: Tensor, labels: Tensor, loss: str) -> Tensor | None:
    with torch.enable_grad():
        pixels = images.clone().requires_grad_()
        logits = examined.model(pixels)
        losses = margins(logits, labels) if loss == "margin" else functional.cross_entropy(logits, labels)
        if not losses.requires_grad:
            return None
        (gradient,) = torch.autograd.grad(losses.sum(), pixels, allow_unused=True)
    return gradient if loss == "margin" or gradient is None else gradient * len(images)


def slopes(examined: Examination) -> Slopes:
    """The gradients, computed once; two backwards."""
    return examined.once("slopes", lambda: _slopes(examined))


@rule(
    threshold="every image has a finite gradient",
    advice="Make the forward differentiable (no detach, no_grad or numpy), or attack a differentiable stand-in (BPDA).",
    source="Pintor et al. 2022: unavailable gradients; Athalye et al. 2018",
)
def gradients_exist(examined: Examination) -> Finding:
    """A graph that is cut, or gradients that are not finite, leave gradient attacks where they started.

    Source: Pintor et al., Indicators of Attack Failure, NeurIPS 2022, indicator 1; Athalye et al., Obfuscated Gradients
    Give a False Sense of Security, ICML 2018. Cost: two backwards, shared with the next three.
    """
    total, found = int(examined.natural.sum()), slopes(examined)
    if not total:
        return skipped("no example is classified right")
    if found.margin is None or found.cross_entropy is None:
        return found_in(total, total, "there is no gradient with respect to the images", warn=0.0, fail=0.0)
    lacking = int((found.margin.isnan() | found.cross_entropy.isnan()).sum())
    return found_in(lacking, total, "gradients are not finite", warn=0.0, fail=0.0)


@rule(
    threshold="no example without any gradient",
    advice="Gradient attacks are blind here: use `square` and transfer attacks, and attack without what masks (BPDA).",
    source="AutoAttack, checks.py: check_zero_gradients; Pintor et al. 2022",
)
def gradients_not_masked(examined: Examination) -> Finding:
    """Examples whose gradients of cross-entropy and of the margin are both exactly 0: masked, not merely saturated.

    Source: AutoAttack, `check_zero_gradients`; Pintor et al. 2022, indicator 1. Cost: none beside `gradients-exist`.
    """
    found = slopes(examined)
    if found.margin is None or found.cross_entropy is None:
        return skipped("there are no gradients")
    count = int(((found.margin == 0) & (found.cross_entropy == 0)).sum())
    return found_in(count, len(found.margin), "both gradients are exactly 0", warn=0.0, fail=0.01)


@rule(
    threshold="at most 10 % of examples with a cross-entropy of exactly 0",
    advice="Attack a loss that does not saturate: `loss: margin` or `dlr`, `apgd-dlr`, `apgd-targeted`, `autoattack`.",
    source="Carlini and Wagner 2017, section 5; AutoAttack, flags_doc.md",
)
def logits_not_saturated(examined: Examination) -> Finding:
    """Logits so far apart that cross-entropy is 0 in float32, and its gradient rounding error.

    Source: Carlini and Wagner, Towards Evaluating the Robustness of Neural Networks, IEEE S&P 2017; Croce and Hein,
    ICML 2020, section 4. Cost: none beside `gradients-exist`.
    """
    found = slopes(examined)
    if not len(found.losses):
        return skipped("no example is classified right")
    count = int((found.losses == 0).sum())
    return found_in(count, len(found.losses), "cross-entropy is exactly 0", warn=0.1, fail=0.5)


@rule(
    threshold="at most 10 % of gradients that miss the measured change by more than half",
    advice="The backward is not the forward's: attack through the real forward too (`square`), or refine the stand-in.",
    source="Pintor et al. 2022: transfer failure; Tramer et al. 2020",
)
def gradients_match_values(examined: Examination) -> Finding:
    """The margin's change over a small step along its gradient's sign, beside what the gradient promises.

    Custom backwards (BPDA, straight-through rounding) attack a stand-in; where that is another function than the
    network, its adversarial images fail on the real one.
    Source: Pintor et al. 2022, indicator of transfer failure; Tramer et al., On Adaptive Attacks to Adversarial Example
    Defenses, NeurIPS 2020. Cost: two forwards.
    """
    found, step = slopes(examined), examined.pixel_radius / 8
    if found.directions is None:
        return skipped("there are no gradients")
    images, labels = examined.images[examined.natural], examined.labels[examined.natural]
    above = (images + step * found.directions.sign()).clamp(0.0, 1.0)
    below = (images - step * found.directions.sign()).clamp(0.0, 1.0)
    promised = ((above - below) * found.directions).flatten(1).sum(1)
    measured = margins(examined.logits(above), labels) - margins(examined.logits(below), labels)
    off = ~((measured - promised).abs() <= 0.5 * promised.abs()) & (promised != 0)
    return found_in(int(off.sum()), len(off), "the gradient misses the change by half", warn=0.1, fail=0.3)


@rule(
    threshold="a mean relative change of at most 10 %",
    advice="Average the gradient over noise (`eot` around a noisy copy), use more steps, and gradient-free attacks.",
    source="Pintor et al. 2022: unstable predictions; Athalye et al. 2018: shattered gradients",
)
def loss_is_smooth(examined: Examination) -> Finding:
    """How much the margin changes under tiny noise, a twentieth of the budget, relative to the mean margin.

    Source: Pintor et al. 2022, indicator of unstable predictions, with the margin in place of cross-entropy, whose
    relative change is large wherever it is nearly 0. Cost: 16 forwards of 64 images.
    """
    count, probes, radius = min(64, len(examined)), 16, examined.pixel_radius / 20
    images, labels = examined.images[:count], examined.labels[:count]
    usual = margins(examined.clean[:count], labels)
    changes = []
    for probe in range(probes):
        noise = torch.rand(images.shape, generator=examined.generator("smooth", str(probe)), dtype=images.dtype)
        there = (images + (2 * noise - 1).to(images.device) * radius).clamp(0.0, 1.0)
        changes.append((margins(examined.logits(there), labels) - usual).abs().mean())
    relative = float(torch.stack(changes).mean() / usual.abs().mean().clamp_min(1e-12))
    text = f"noise of +-{radius:.2g} changes the margin by {100 * relative:.1f} % on average"
    return graded(relative, text, warn=0.10, fail=0.20)
