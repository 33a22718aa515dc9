"""Conformance suites: what robustkit expects of a component, as pytest classes that a plugin's tests subclass.

    class TestMedian(AggregatorSuite):
        aggregator = Median()

To test several configurations in one class, let a fixture set the attribute:

    class TestClip(AttackSuite):
        @pytest.fixture(autouse=True, params=[Clip(steps=1), Clip(norm="L2")], ids=repr)
        def configure(self, request):
            self.attack = request.param

Every suite also checks what holds for all components: that it can be registered, is frozen, rebuilds from its fields
and says what it is. `tiny_model` and `tiny_batch` are what the suites use, for a plugin's other tests.
"""

from robustkit.testing.aggregator import AggregatorSuite
from robustkit.testing.architecture import ArchitectureSuite
from robustkit.testing.attack import AttackSuite
from robustkit.testing.augmentation import AugmentationSuite
from robustkit.testing.component import ComponentSuite
from robustkit.testing.dataset import DatasetSuite
from robustkit.testing.loss import LossSuite
from robustkit.testing.optimizer import OptimizerSuite
from robustkit.testing.schedule import ScheduleSuite
from robustkit.testing.searcher import SearcherSuite
from robustkit.testing.strategy import StrategySuite
from robustkit.testing.tiny import tiny_batch, tiny_model

__all__ = [
    "AggregatorSuite",
    "ArchitectureSuite",
    "AttackSuite",
    "AugmentationSuite",
    "ComponentSuite",
    "DatasetSuite",
    "LossSuite",
    "OptimizerSuite",
    "ScheduleSuite",
    "SearcherSuite",
    "StrategySuite",
    "tiny_batch",
    "tiny_model",
]
