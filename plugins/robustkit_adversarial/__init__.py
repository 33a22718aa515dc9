"""Adversarial training: learner strategies on attacked images, alone or beside clean ones."""

from robustkit import Attack, Strategy, hookimpl
from robustkit_adversarial.adversarial import Adversarial
from robustkit_adversarial.divergence import KLPGD
from robustkit_adversarial.joint import Joint
from robustkit_adversarial.mart import MART
from robustkit_adversarial.trades import TRADES


@hookimpl
def register_strategies() -> list[type[Strategy]]:
    """PGD adversarial training, joint training, TRADES and MART."""
    return [Adversarial, Joint, TRADES, MART]


@hookimpl
def register_attacks() -> list[type[Attack]]:
    """The attack that TRADES trains with."""
    return [KLPGD]
