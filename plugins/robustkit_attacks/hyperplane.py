"""The shortest way from an image to a hyperplane inside the box of images, for each norm.

Points are flat, (..., D). Linf and L2 need no sorting: how far to go solves one increasing, concave, piecewise linear
equation an example, which Newton's method from below solves exactly in a few passes. Masks are floats: on CPUs, torch's
arithmetic on floats is several times faster than its `where`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from robustkit.components.attack import Norm

DUAL = {"Linf": 1.0, "L2": 2.0, "L1": torch.inf}
"""The order of the norm in which a hyperplane's normal is measured, so that |residual| / length is the distance."""
_LONGEST = 1e30


def moves_to_hyperplane(points: Tensor, normals: Tensor, residuals: Tensor, norm: Norm) -> Tensor:
    """The smallest moves that bring points onto their hyperplanes and keep them in [0, 1].

    They solve the projection problem of Croce and Hein: Minimally Distorted Adversarial Examples with a Fast Adaptive
    Boundary Attack, ICML 2020, section 2.2. Where the hyperplane does not meet the box, the move ends in the corner of
    the box that is nearest to it.

    Args:
        points: (P, N, D), in [0, 1].
        normals: (N, D), of the hyperplanes; where zero, there is no move.
        residuals: (P, N): normal times point, minus the hyperplane's offset.
        norm: which norm of the moves is smallest.

    Returns:
        The moves (P, N, D).
    """
    largest = normals.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(normals.dtype).tiny)
    normals = normals / largest
    needs = (residuals.abs() / largest.squeeze(1)).clamp_max(_LONGEST)
    signs = normals.sign() * -residuals.sign().unsqueeze(2)
    rooms = (0.5 - points).mul_(signs).add_(0.5)  # 1 - point upwards, point downwards
    weights = normals.abs()
    if norm == "L1":
        return signs.mul_(_largest_weights_first(rooms, weights, needs))
    rates = weights if norm == "L2" else torch.ones_like(weights)
    return signs.mul_(_all_at_once(rooms, weights, rates, needs))


def _all_at_once(rooms: Tensor, weights: Tensor, rates: Tensor, needs: Tensor) -> Tensor:
    """min(time * rate, room), with the time at which the weighted moves sum to what is needed."""
    filled_at = rooms / rates  # not a number where a weight is zero, but there yields and speeds are zero, too
    yields, speeds = weights * rooms, (weights * rates).expand_as(rooms)
    mask, times = torch.empty_like(rooms), torch.zeros_like(needs)
    while True:
        lacking = needs - torch.linalg.vecdot(torch.le(filled_at, times.unsqueeze(2), out=mask), yields)
        speed = torch.linalg.vecdot(torch.gt(filled_at, times.unsqueeze(2), out=mask), speeds)
        # Rounding must not take a time back: then this would not end.
        later = torch.where(speed > 0, lacking / speed, _LONGEST).clamp(0.0, _LONGEST).maximum(times)
        if not bool((later > times).any()):
            return torch.minimum(times.unsqueeze(2) * rates, rooms)
        times = later


def _largest_weights_first(rooms: Tensor, weights: Tensor, needs: Tensor) -> Tensor:
    """Values are filled one after the other, those that bring most first, until the needs are met."""
    order = weights.argsort(dim=1, descending=True).expand_as(rooms)
    ordered = weights.expand_as(rooms).gather(2, order)
    room = rooms.gather(2, order)
    gained = ordered * room
    lacking = needs.unsqueeze(2) - (gained.cumsum(dim=2) - gained)
    moves = (lacking / ordered.clamp_min(1.0 / _LONGEST)).clamp_min(0.0).minimum(room)
    return torch.zeros_like(rooms).scatter(2, order, moves)
