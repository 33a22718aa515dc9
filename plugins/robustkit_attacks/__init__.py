"""Native attacks: FGSM, PGD in Linf, L2 and L1, noise, and the margin loss."""

from robustkit import Attack, Loss, hookimpl
from robustkit_attacks.apgd import APGDCE, APGDDLR, APGDTargeted
from robustkit_attacks.cw import CW
from robustkit_attacks.dlr import DLR
from robustkit_attacks.eot import EOT
from robustkit_attacks.fgsm import FGSM
from robustkit_attacks.margin import Margin
from robustkit_attacks.mim import MIM
from robustkit_attacks.noise import Noise
from robustkit_attacks.pgd import PGD

__all__ = [
    "APGDCE",
    "APGDDLR",
    "CW",
    "DLR",
    "EOT",
    "FGSM",
    "MIM",
    "PGD",
    "APGDTargeted",
    "Margin",
    "Noise",
    "register_attacks",
    "register_losses",
]


@hookimpl
def register_attacks() -> list[type[Attack]]:
    """Gradient attacks, and the noise they must beat."""
    return [FGSM, PGD, MIM, CW, APGDCE, APGDDLR, APGDTargeted, EOT, Noise]


@hookimpl
def register_losses() -> list[type[Loss]]:
    """The margin, and its ratio to the logits' spread."""
    return [Margin, DLR]
