"""Native attacks, from FGSM to AutoAttack, and two losses for them."""

from robustkit import Attack, Loss, hookimpl
from robustkit_attacks.apgd import APGDCE, APGDDLR, APGDTargeted
from robustkit_attacks.autoattack import AutoAttack
from robustkit_attacks.cw import CW
from robustkit_attacks.cw_l2 import CWL2
from robustkit_attacks.deepfool import DeepFool
from robustkit_attacks.dlr import DLR
from robustkit_attacks.eot import EOT
from robustkit_attacks.fab import FAB, FABTargeted
from robustkit_attacks.fgsm import FGSM
from robustkit_attacks.margin import Margin
from robustkit_attacks.mim import MIM
from robustkit_attacks.msd import MSD
from robustkit_attacks.noise import Noise
from robustkit_attacks.pgd import PGD
from robustkit_attacks.square import Square
from robustkit_attacks.transfer import Transfer

__all__ = [
    "APGDCE",
    "APGDDLR",
    "CW",
    "CWL2",
    "DLR",
    "EOT",
    "FAB",
    "FGSM",
    "MIM",
    "MSD",
    "PGD",
    "APGDTargeted",
    "AutoAttack",
    "DeepFool",
    "FABTargeted",
    "Margin",
    "Noise",
    "Square",
    "Transfer",
    "register_attacks",
    "register_losses",
]


@hookimpl
def register_attacks() -> list[type[Attack]]:
    """Gradient attacks, those that need none, AutoAttack of both, and the noise they must beat."""
    return [
        FGSM,
        PGD,
        MIM,
        MSD,
        CW,
        APGDCE,
        APGDDLR,
        APGDTargeted,
        EOT,
        FAB,
        FABTargeted,
        Square,
        DeepFool,
        CWL2,
        Transfer,
        AutoAttack,
        Noise,
    ]


@hookimpl
def register_losses() -> list[type[Loss]]:
    """The margin, and its ratio to the logits' spread."""
    return [Margin, DLR]
