"""The bundled aggregators are what the engine expects."""

from __future__ import annotations

import pytest
from robustkit_attacks import FGSM
from robustkit_averaging import (
    EMA,
    SWA,
    WA,
    CoordinateMedian,
    Fisher,
    LearnedMix,
    Redistribute,
    Single,
    Soup,
    TaskArithmetic,
    Unmerged,
)
from robustkit_generalist import Generalist

from robustkit.components.schedule import Linear
from robustkit.testing import AggregatorSuite

AGGREGATORS = [
    Generalist(mix={}),
    Generalist(mix={"first": 0.3}),
    Generalist(mix={"first": 1.0}, decay=0),
    Generalist(mix={"first": 0.3, "second": 0.7}, decay=0.9, warm_up=False, mix_of="weights", batch_norm="recompute"),
    Generalist(mix={"first": 0.3, "second": 0.3}, redistribute="every_batch", optimizer_state="reset"),
    Generalist(mix={"first": 0.3, "second": 0.3, "third": 0.4}, batch_norm="second", start_epoch=2, every_epochs=2),
    Generalist(mix={"first": {1: 1.0, 6: 0.4}}, redistribute="epoch_start"),
    Generalist(mix={"second": Linear({0: 0.0, 6: 1.0}, every_batch=True)}, redistribute="never", start_epoch=9),
    WA(),
    WA(start_epoch=3),
    SWA(),
    SWA(start_epoch=2, every_epochs=2),
    EMA(decay=0.9),
    EMA(decay=0.9, start_epoch=3, warm_up=False),
    Soup(choice="uniform"),
    Soup(every_epochs=4),
    Soup(attack=FGSM(eps=0.1), robust_weight=0.25, batch_norm="recompute"),
    CoordinateMedian(),
    CoordinateMedian(batch_norm="average"),
    TaskArithmetic(scale=0.4),
    TaskArithmetic(scale={"first": 0.5, "second": -0.25}, batch_norm="average"),
    Fisher(),
    Fisher(
        attacks={"first": FGSM(eps=0.1)}, importance={"second": 2.0}, examples=5, every_epochs=4, batch_norm="average"
    ),
    LearnedMix(attack=FGSM(eps=0.1), grid=3),
    LearnedMix(attack=FGSM(eps=0.1), robust_weight=0.9, grid=2, every_epochs=2, start_epoch=2, batch_norm="recompute"),
    Redistribute(merge=LearnedMix(attack=FGSM(eps=0.1), grid=3, every_epochs=4), start_epoch=2, every_epochs=2),
    Single(),
    Unmerged(learner="first"),
    Unmerged(learner="third"),
]


class TestAggregators(AggregatorSuite):
    @pytest.fixture(autouse=True, params=AGGREGATORS, ids=repr)
    def configure(self, request):
        self.aggregator = request.param


def test_every_number_of_learners_is_tried_with_some_aggregator():
    tried = {
        count
        for aggregator in AGGREGATORS
        for count in (1, 2, 3)
        if not list(aggregator.problems_in_run(["first", "second", "third"][:count], 6))
    }
    assert tried == {1, 2, 3}
