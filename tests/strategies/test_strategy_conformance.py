"""The bundled strategies, and the attack of TRADES, are what the engine expects."""

from __future__ import annotations

import pytest
from robustkit_adversarial import KLPGD
from robustkit_adversarial.adversarial import Adversarial
from robustkit_adversarial.joint import Joint
from robustkit_adversarial.mart import MART
from robustkit_adversarial.trades import TRADES
from robustkit_natural import Natural

from robustkit import CrossEntropy
from robustkit.testing import AttackSuite, StrategySuite

ATTACK = KLPGD(eps="8/255", step_size="2/255", steps=2)
STRATEGIES = [
    Natural(),
    Natural(criterion=CrossEntropy(label_smoothing=0.1)),
    Adversarial(attack=ATTACK),
    Joint(attack=ATTACK),
    Joint(attack=ATTACK, natural_share=0.8, batch_norm="separate"),
    TRADES(steps=2),
    TRADES(beta=1, norm="L2", eps=0.5, step_size=0.2, steps=2),
    MART(attack=ATTACK),
]


class TestStrategies(StrategySuite):
    @pytest.fixture(autouse=True, params=STRATEGIES, ids=repr)
    def configure(self, request):
        self.strategy = request.param


class TestKLPGD(AttackSuite):
    @pytest.fixture(autouse=True, params=[ATTACK, KLPGD(eps=0.5, step_size=0.2, steps=3, norm="L2")], ids=repr)
    def configure(self, request):
        self.attack = request.param
