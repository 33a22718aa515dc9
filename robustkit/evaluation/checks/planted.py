"""A planted adversarial image: an attack that works must find what is known to be there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.components.randomness import derive
from robustkit.evaluation.checks.attack_list import distances
from robustkit.evaluation.checks.check import Finding, graded, rule, skipped
from robustkit.evaluation.checks.examination import WITNESSES, Examination

_INNER = 24
"""Images around each example that the planted readout calls clean."""


class Planted(nn.Module):
    """The network with another last layer for each example: two classes, `clean` and `planted`.

    Args:
        model: the network.
        last: its last linear layer, whose inputs are the features.
        directions: (N, F), one row an example of the batch.
        offsets: (N,).
    """

    def __init__(self, model: nn.Module, last: nn.Linear, directions: Tensor, offsets: Tensor) -> None:
        super().__init__()
        self.model, self.last = model, last
        self.directions, self.offsets = directions, offsets

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 2): 0 for clean, and the planted readout's score."""
        found = features(self.model, self.last, images)
        score = (found * self.directions).sum(1) + self.offsets
        return torch.stack([torch.zeros_like(score), score], dim=1)


def features(model: nn.Module, last: nn.Linear, images: Tensor) -> Tensor:
    """The inputs (N, F) of that layer."""
    caught: list[Tensor] = []

    def catch(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        caught.append(inputs[0])

    handle = last.register_forward_pre_hook(catch)
    try:
        model(images)
    finally:
        handle.remove()
    return caught[-1].flatten(1)


def _last_linear(examined: Examination) -> nn.Linear | None:
    """The linear layer that runs last, once a forward, and whose outputs are as many as the logits."""
    ran: list[nn.Linear] = []

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, nn.Linear) and output.ndim == 2:
            ran.append(module)

    linear = [module for module in examined.model.modules() if type(module) is nn.Linear]
    handles = [module.register_forward_hook(note) for module in linear]
    try:
        examined.logits(examined.images[:2])
    finally:
        for handle in handles:
            handle.remove()
    fits = bool(ran) and ran.count(ran[-1]) == 1 and ran[-1].out_features == examined.clean.shape[1]
    return ran[-1] if fits else None


def _in_ball(examined: Examination, images: Tensor, name: str, share: float, *, corner: bool = False) -> Tensor:
    """Random images at `share` of the budget around these; `corner` moves every pixel as far as it may go."""
    noise = 2 * torch.rand(images.shape, generator=examined.generator("planted", name), dtype=images.dtype) - 1
    noise = (noise.sign() if corner else noise).to(images.device)
    if examined.budget.norm != "Linf":
        noise = noise / distances(noise, examined.budget).reshape(-1, *[1] * (images.ndim - 1))
    moved: Tensor = (images + share * examined.budget.eps * noise).clamp(0.0, 1.0)
    return moved


def plant(examined: Examination, last: nn.Linear, images: Tensor) -> tuple[Planted, Tensor]:
    """The network with readouts that call one image on the ball's boundary planted and those inside clean.

    Returns it and a mask (N,), bool, of the examples for which such a readout was found.
    """
    with torch.no_grad():
        inner = [images, *(_in_ball(examined, images, f"inner {n}", 0.5) for n in range(_INNER))]
        inside = torch.stack([features(examined.model, last, there) for there in inner], 1)
        boundary = features(examined.model, last, _in_ball(examined, images, "boundary", 1.0, corner=True))
        away = boundary - inside.mean(1)
        directions = _least_squares(inside - inside.mean(1, keepdim=True), away)
        highest = torch.einsum("nif,nf->ni", inside, directions).amax(1)
        target = (boundary * directions).sum(1)
    found = torch.isfinite(target - highest) & (target > highest + 1e-6 * directions.norm(dim=1))
    return Planted(examined.model, last, directions, -(highest + target) / 2), found


def _least_squares(spread: Tensor, away: Tensor) -> Tensor:
    """The directions (N, F) along which `away` (N, F) stands out most from spreads (N, I, F): ridge discriminants."""
    wide = spread.double()
    ridge = wide.square().mean((1, 2)).clamp_min(1e-12).reshape(-1, 1, 1)
    # By Woodbury's identity the solve is of the size of the images inside, not of the features.
    inner = wide @ wide.transpose(1, 2) + ridge * torch.eye(wide.shape[1], dtype=wide.dtype, device=wide.device)
    point = away.double().unsqueeze(2)
    solved = point - wide.transpose(1, 2) @ torch.linalg.solve(inner, wide @ point)
    directions = solved.squeeze(2)
    lengths: Tensor = directions.norm(dim=1, keepdim=True).clamp_min(1e-12)
    scaled: Tensor = directions / lengths
    return scaled.to(spread.dtype)


@rule(
    threshold="at least 90 % of the planted images are found",
    advice="The attack misses what is there: change loss, steps or gradient until it finds planted images.",
    source="Zimmermann et al. 2022: Increasing confidence in adversarial robustness evaluations",
)
def planted_example_found(examined: Examination) -> Finding:
    """The binarization test: each example's last layer is replaced by one with a known adversarial image in the ball.

    The readout separates one random corner of the ball from the image and 24 others half way; PGD must find an image
    that the readout takes for the planted one.
    Source: Zimmermann, Brendel, Tramer, Carlini: Increasing Confidence in Adversarial Robustness Evaluations, NeurIPS
    2022, section 4; with fewer images inside, and a discriminant in place of logistic regression. Cost: 26 forwards and
    one PGD of 32 examples.
    """
    last = _last_linear(examined)
    if last is None:
        return skipped("the logits come from no linear layer that could be replaced")
    images = examined.images[:WITNESSES]
    model, possible = plant(examined, last, images)
    if not bool(possible.any()):
        return skipped("no image could be planted: the features do not tell the ball's boundary from its inside")
    zeros = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    attack = examined.attack("pgd", steps=100, keep="best", loss="margin")
    found = perturb(attack, model, images, zeros, seed=derive(examined.seed, "planted"))
    with torch.no_grad():
        broken = (model(found).argmax(1) == 1) & possible
    count, total = int(broken.sum()), int(possible.sum())
    missed = 1 - count / total
    return graded(missed, f"{count} of {total} planted images found", warn=0.1, fail=0.25)
