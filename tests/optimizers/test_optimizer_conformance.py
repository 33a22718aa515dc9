"""The bundled optimizers keep what the engine expects of every optimizer."""

from __future__ import annotations

import pytest
from robustkit_optimizers import SAM, SGD, Adam, AdamW
from robustkit_timm import TimmOptimizer

from robustkit import Optimizer
from robustkit.testing import OptimizerSuite

OURS = [
    SGD(lr=0.1),
    SGD(lr=0.1, momentum=0.5, weight_decay=0.01, nesterov=True),
    SGD(lr=0.1, momentum=0.0),
    Adam(lr=0.1, weight_decay=0.01),
    AdamW(lr=0.1),
    SAM(lr=0.1),
    SAM(lr=0.1, adaptive=True, rho=0.5, weight_decay=0.01),
]
TIMMS = [
    TimmOptimizer(lr=0.1, opt="momentum"),
    TimmOptimizer(lr=0.1, opt="lamb", weight_decay=0.01),
    TimmOptimizer(lr=0.1, opt="lion", options={"betas": [0.9, 0.95]}),
    TimmOptimizer(lr=0.1, opt="lookahead_adamw"),
]


class TestOptimizers(OptimizerSuite):
    @pytest.fixture(autouse=True, params=OURS + TIMMS, ids=repr)
    def configure(self, request: pytest.FixtureRequest) -> None:
        self.optimizer: Optimizer = request.param
