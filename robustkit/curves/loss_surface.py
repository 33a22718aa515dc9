"""The loss around one example, in a plane through it: along an attack's direction, and along a random one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.attacking.isolation import frozen
from robustkit.components.attack import Attack, Norm
from robustkit.components.randomness import derive
from robustkit.curves.variation import budget_of
from robustkit.errors import InputError
from robustkit.recipe.lock import plain

_ORDER: Mapping[Norm, float] = {"Linf": math.inf, "L2": 2.0, "L1": 1.0}
_TURNS = 180
"""Points of the ball's outline."""


@dataclass(frozen=True)
class LossSurface:
    """Margin and cross-entropy of one example over a plane; both axes in units of eps.

    The point (a, b) is the image plus a times the first direction plus b times the second, clamped to [0, 1]; each
    direction is eps long in the attack's norm, and the two are orthogonal.
    """

    attack: Mapping[str, Any]
    """The attack as a recipe holds it."""
    norm: Norm
    eps: float
    """One unit of both axes, in units of [0, 1] pixels."""
    label: int
    """The example's true class."""
    direction: Literal["attack", "gradient"]
    """What the first axis is: the attack's image less the clean one, or, where the attack left the image as it was, the
    sign of the cross-entropy's gradient."""
    attacked_at: float | None
    """Where on the first axis the attack's image lies; None where it is the clean one."""
    axis: tuple[float, ...]
    """The G coordinates of the grid, on both axes; 0 is in the middle."""
    margin: Tensor
    """(G, G), float32, on the CPU, rows by the second axis: the largest other logit less the true class's; positive
    where the image is misclassified."""
    cross_entropy: Tensor
    """(G, G), as `margin`, in nats."""
    ball: tuple[tuple[float, float], ...]
    """The outline of the attack's ball in this plane: a closed polygon, (a, b) each."""

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "curve": "surface",
            "attack": dict(self.attack),
            "norm": self.norm,
            "eps": self.eps,
            "label": self.label,
            "direction": self.direction,
            "attacked_at": self.attacked_at,
            "axis": list(self.axis),
            "margin": _rounded(self.margin),
            "cross_entropy": _rounded(self.cross_entropy),
            "ball": [[round(a, 5), round(b, 5)] for a, b in self.ball],
        }

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> LossSurface:
        """The surface that `plain` wrote."""
        given = {key: data[key] for key in ("attack", "norm", "eps", "label", "direction", "attacked_at")}
        margin, cross_entropy = torch.tensor(data["margin"]), torch.tensor(data["cross_entropy"])
        ball = tuple((a, b) for a, b in data["ball"])
        return cls(**given, axis=tuple(data["axis"]), margin=margin, cross_entropy=cross_entropy, ball=ball)


def loss_surface(
    model: nn.Module,
    image: Tensor,
    label: int,
    attack: Attack,
    *,
    half: int = 20,
    extent: float = 2.0,
    seed: int = 0,
    batch_size: int = 500,
) -> LossSurface:
    """Compute margin and cross-entropy on a grid around an example.

    A surface that is flat in the ball and steep outside, or jagged, misleads gradients: the figures of gradient attacks
    mean little there. (Qin et al.: Adversarial Robustness through Local Linearization, NeurIPS 2019, section 3.)

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, K), K at least 2; measured in eval mode.
        image: (C, H, W), float, in [0, 1].
        label: its true class.
        attack: any attack with a budget.
        half: grid points on each side of the example; the grid has 2 * half + 1 a side.
        extent: how far the grid reaches, in units of eps.
        seed: of the attack and the random direction.
        batch_size: images at a time.

    Raises:
        InputError: the attack has no eps or one of 0, the grid makes no sense, or the model does not know the label.
    """
    budget = budget_of(attack)
    if budget.eps <= 0 or half < 1 or extent <= 0:
        raise InputError(f"expected eps, half and extent above 0, got {budget.eps:g}, {half} and {extent:g}.")
    like = next(model.parameters(), torch.zeros(()))
    clean = image.to(like.device, like.dtype).unsqueeze(0)
    _check_label(model, clean, label)
    labels = torch.tensor([label], device=clean.device)
    difference = perturb(attack, model, clean, labels, seed=derive(seed, "surface")) - clean
    distance = float(_length(difference, budget.norm)) / budget.eps
    moved = distance > 1e-6
    first = _of_length(difference if moved else _gradient_sign(model, clean, labels), budget.norm, budget.eps)
    second = _of_length(_random_orthogonal(first, seed), budget.norm, budget.eps)
    axis = torch.linspace(-extent, extent, 2 * half + 1, dtype=torch.float64)
    axis[half] = 0.0
    logits = _logits(model, clean, first, second, axis, batch_size)
    margin, cross_entropy = _losses(logits, label)
    return LossSurface(
        attack=plain(attack),
        norm=budget.norm,
        eps=budget.eps,
        label=label,
        direction="attack" if moved else "gradient",
        attacked_at=distance if moved else None,
        axis=tuple(float(place) for place in axis),
        margin=margin.view(len(axis), len(axis)),
        cross_entropy=cross_entropy.view(len(axis), len(axis)),
        ball=_ball(first, second, budget.norm, budget.eps),
    )


def _check_label(model: nn.Module, clean: Tensor, label: int) -> None:
    with frozen(model), torch.no_grad():
        classes = model(clean).shape[1]
    if classes < 2 or not 0 <= label < classes:
        raise InputError(f"expected a label from 0 to {classes - 1} of a model of several classes, got {label}.")


def _logits(model: nn.Module, clean: Tensor, first: Tensor, second: Tensor, axis: Tensor, batch_size: int) -> Tensor:
    """(G * G, K), on the CPU: row by row along the second axis."""
    down, along = torch.meshgrid(axis, axis, indexing="ij")
    places = torch.stack([along.flatten(), down.flatten()], 1).to(clean)
    found = []
    with frozen(model), torch.no_grad():
        for part in torch.split(places, batch_size):
            a, b = (column.view(-1, 1, 1, 1) for column in part.T)
            found.append(model((clean + a * first + b * second).clamp(0.0, 1.0)).float().cpu())
    return torch.cat(found)


def _losses(logits: Tensor, label: int) -> tuple[Tensor, Tensor]:
    """Margin and cross-entropy (N,) of logits (N, K)."""
    own = logits[:, label]
    others = torch.cat([logits[:, :label], logits[:, label + 1 :]], 1).amax(1)
    return others - own, logits.logsumexp(1) - own


def _gradient_sign(model: nn.Module, clean: Tensor, labels: Tensor) -> Tensor:
    with frozen(model), torch.enable_grad():
        images = clean.clone().requires_grad_()
        loss = nn.functional.cross_entropy(model(images), labels)
        sign: Tensor = torch.autograd.grad(loss, images)[0].sign()
    if not bool(sign.any()):
        raise InputError("the attack left the image as it was and its gradient is 0: there is no direction to look in.")
    return sign


def _random_orthogonal(first: Tensor, seed: int) -> Tensor:
    """Random signs, made orthogonal to the first direction."""
    generator = torch.Generator().manual_seed(derive(seed, "direction"))
    drawn = torch.randint(0, 2, first.shape, generator=generator) * 2 - 1
    signs, along = drawn.double(), first.detach().cpu().double()
    orthogonal = signs - (signs * along).sum() / (along * along).sum() * along
    if not bool(orthogonal.abs().amax() > 1e-6):
        raise InputError("the image has too few pixels for a second direction.")
    return orthogonal.to(first)


def _of_length(direction: Tensor, norm: Norm, length: float) -> Tensor:
    return direction * (length / _length(direction, norm))


def _length(difference: Tensor, norm: Norm) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(difference.flatten(), _ORDER[norm])
    return found


def _ball(first: Tensor, second: Tensor, norm: Norm, eps: float) -> tuple[tuple[float, float], ...]:
    """Where in the plane the perturbation is as long as eps, once around."""
    outline = []
    for turn in range(_TURNS + 1):
        angle = 2 * math.pi * (turn % _TURNS) / _TURNS
        a, b = math.cos(angle), math.sin(angle)
        radius = eps / float(_length(a * first.double() + b * second.double(), norm))
        outline.append((a * radius, b * radius))
    return tuple(outline)


def _rounded(values: Tensor) -> list[list[float]]:
    """Six digits are more than any picture shows."""
    return [[float(f"{value:.6g}") for value in row] for row in values.tolist()]
