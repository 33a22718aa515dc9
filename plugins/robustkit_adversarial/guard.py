"""A guard against catastrophic overfitting, around any cheap strategy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustkit import Attack, Strategy, perturb, remembered
from robustkit.components.fields import PositiveInt, Share
from robustkit_adversarial.modes import looking

_MEMORY = 0.9
"""Share of the usual accuracy that stays when a check is taken into it."""


@dataclass(frozen=True)
class OverfittingGuard(Strategy):
    """Trains with a cheap strategy, and with a sound one for a while whenever a stronger attack suddenly succeeds.

    The check is that of Wong, Rice, Kolter: Fast is Better than Free, ICLR 2020: accuracy of a training
    batch under PGD, compared with earlier batches. They stop there; going on with a stronger attack for a while is
    after Li, Wang, Jana, Carin: Towards Understanding Fast Adversarial Training, 2020 (arXiv 2006.03089). That a drop
    is measured from a moving average over checks is ours.
    """

    name = "overfitting-guard"

    strategy: Strategy
    """The cheap one, such as `fgsm-rs` or `free`."""
    fallback: Strategy
    """The sound one, such as `adversarial` with PGD."""
    check: Attack
    """The stronger attack."""
    every_batches: PositiveInt = 20
    """Batches from one check to the next; a check costs the attack and one forward."""
    drop: Share = 0.2
    """The fallback takes over where accuracy under the check is so far below the usual; the paper's 20 points."""
    recovery_batches: PositiveInt = 20
    """For how many batches the fallback trains after a failed check."""

    def loss(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """The loss (scalar) of whichever strategy it is the turn of."""
        notes = remembered(self.name)
        batch, left = (int(notes.get(key, torch.tensor(0))) for key in ("batch", "left"))
        if batch % self.every_batches == 0 and self._failed(notes, model, images, labels):
            left = self.recovery_batches
        notes["batch"], notes["left"] = torch.tensor(batch + 1), torch.tensor(max(0, left - 1))
        return (self.fallback if left else self.strategy).loss(model, images, labels)

    def _failed(self, notes: dict[str, Tensor], model: nn.Module, images: Tensor, labels: Tensor) -> bool:
        """Check; what passes is taken into the usual accuracy."""
        attacked = perturb(self.check, model, images, labels)
        with looking(model):
            accuracy = (model(attacked).argmax(dim=1) == labels).double().mean().cpu()
        usual = notes.get("usual", accuracy)
        if accuracy < usual - self.drop:
            return True
        notes["usual"] = _MEMORY * usual + (1.0 - _MEMORY) * accuracy
        return False
