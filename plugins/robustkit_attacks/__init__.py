"""Native attacks: FGSM, PGD in Linf, L2 and L1, noise, and the margin loss."""

from robustkit import Attack, Loss, hookimpl
from robustkit_attacks.fgsm import FGSM
from robustkit_attacks.margin import Margin
from robustkit_attacks.noise import Noise
from robustkit_attacks.pgd import PGD

__all__ = ["FGSM", "PGD", "Margin", "Noise", "register_attacks", "register_losses"]


@hookimpl
def register_attacks() -> list[type[Attack]]:
    """FGSM, PGD and the noise they must beat."""
    return [FGSM, PGD, Noise]


@hookimpl
def register_losses() -> list[type[Loss]]:
    """The margin loss."""
    return [Margin]
