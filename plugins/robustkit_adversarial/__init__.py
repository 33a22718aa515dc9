"""Adversarial training: learner strategies on attacked images, alone or beside clean ones."""

from robustkit import Attack, Strategy, hookimpl
from robustkit_adversarial.adversarial import Adversarial
from robustkit_adversarial.awp import AWP
from robustkit_adversarial.divergence import KLPGD
from robustkit_adversarial.fast import FGSMRS, RandomStep
from robustkit_adversarial.free import Free
from robustkit_adversarial.friendly import FAT, FriendlyPGD
from robustkit_adversarial.guard import OverfittingGuard
from robustkit_adversarial.joint import Joint
from robustkit_adversarial.mart import MART
from robustkit_adversarial.multi_norm import MultiNorm
from robustkit_adversarial.trades import TRADES


@hookimpl
def register_strategies() -> list[type[Strategy]]:
    """PGD adversarial training and its cheaper, friendlier and many-normed kin, joint, TRADES, MART and AWP."""
    return [Adversarial, Joint, TRADES, MART, FAT, FGSMRS, Free, OverfittingGuard, MultiNorm, AWP]


@hookimpl
def register_attacks() -> list[type[Attack]]:
    """The attacks that TRADES, FAT and fast adversarial training train with."""
    return [KLPGD, FriendlyPGD, RandomStep]
