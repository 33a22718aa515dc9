"""The bundled strategies, and the attacks they bring, are what the engine expects."""

from __future__ import annotations

import pytest
from robustkit_adversarial import (
    AWP,
    FAT,
    FGSMRS,
    KLPGD,
    MART,
    TRADES,
    Adversarial,
    Free,
    FriendlyPGD,
    Joint,
    MultiNorm,
    OverfittingGuard,
    RandomStep,
)
from robustkit_mixing import IAT, CutMix, Mixup
from robustkit_natural import Natural

from robustkit import CrossEntropy
from robustkit.testing import AttackSuite, StrategySuite

ATTACK = KLPGD(eps="8/255", step_size="2/255", steps=2)
L2 = KLPGD(eps=0.5, step_size=0.2, steps=3, norm="L2")
STRATEGIES = [
    Natural(),
    Natural(criterion=CrossEntropy(label_smoothing=0.1)),
    Adversarial(attack=ATTACK),
    Joint(attack=ATTACK),
    Joint(attack=ATTACK, natural_share=0.8, batch_norm="separate"),
    TRADES(steps=2),
    TRADES(beta=1, norm="L2", eps=0.5, step_size=0.2, steps=2),
    MART(attack=ATTACK),
    FAT(steps=3),
    FAT(steps=3, tau=2, random_start=False),
    FGSMRS(),
    Free(),
    OverfittingGuard(strategy=FGSMRS(), fallback=Adversarial(attack=ATTACK), check=ATTACK),
    *(MultiNorm(attacks=(ATTACK, L2), combine=combine) for combine in ("max", "average", "alternating")),
    AWP(strategy=Adversarial(attack=ATTACK)),
    AWP(strategy=TRADES(steps=2), gamma=0.005),
    AWP(strategy=Free(), gamma=0.0),
    AWP(strategy=OverfittingGuard(strategy=IAT(attack=L2), fallback=Free(), check=ATTACK)),
    Mixup(),
    Mixup(alpha=0.2, criterion=CrossEntropy(label_smoothing=0.1)),
    CutMix(probability=1.0),
    IAT(attack=ATTACK),
]
ATTACKS = [
    ATTACK,
    L2,
    RandomStep(eps="8/255"),
    RandomStep(eps=0.1, step_size=0.05),
    FriendlyPGD(eps=0.1, step_size=0.05, steps=4),
    FriendlyPGD(eps=0.1, step_size=0.05, steps=4, tau=2, random_start=False),
]


class TestStrategies(StrategySuite):
    @pytest.fixture(autouse=True, params=STRATEGIES, ids=repr)
    def configure(self, request):
        self.strategy = request.param


class TestAttacks(AttackSuite):
    @pytest.fixture(autouse=True, params=ATTACKS, ids=repr)
    def configure(self, request):
        self.attack = request.param
