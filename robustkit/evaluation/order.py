"""The order of attacks that costs least, when examples leave as soon as one attack breaks them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.components.attack import Attack
from robustkit.evaluation.passes import Counted


def cheapest_first(
    attacks: Mapping[str, Attack], model: nn.Module, images: Tensor, labels: Tensor, names: Tensor, seed: int
) -> dict[str, Attack]:
    """The attacks by what they send through the network to attack some images; those that cost the same stay in order.

    Counted, not timed, so that the order is the same wherever and whenever an evaluation runs.

    Args:
        attacks: by name.
        model: in eval mode.
        images: (N, C, H, W), a few that the model gets right.
        labels: (N,).
        names: (N,), int64, see `perturb`.
        seed: of the attacks' randomness.
    """
    cost = {}
    for name, attack in attacks.items():
        counted = Counted(model)
        perturb(attack, counted, images, labels, seed=seed, examples=names)
        cost[name] = counted.forwards + 2 * counted.backwards  # a gradient takes about two forwards' time
    return dict(sorted(attacks.items(), key=lambda item: cost[item[0]]))
