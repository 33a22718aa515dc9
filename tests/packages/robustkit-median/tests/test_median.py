import torch
from robustkit_median import Median

from robustkit import Clock
from robustkit.testing import AggregatorSuite


class TestMedian(AggregatorSuite):
    aggregator = Median()

    def test_takes_the_one_in_the_middle(self) -> None:
        learners = {name: {"weight": torch.tensor([value])} for name, value in zip("abc", (1.0, 9.0, 2.0), strict=True)}
        merged = {"weight": torch.zeros(1)}
        self.aggregator.update(Clock(epochs=1, batches=1, batch=1), merged, learners)
        assert merged["weight"].item() == 2.0
