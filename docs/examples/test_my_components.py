from my_components import Corner, Noisy, TwoLayers

from robustkit.testing import ArchitectureSuite, AttackSuite, StrategySuite


class TestCorner(AttackSuite):
    attack = Corner(eps=0.1)


class TestNoisy(StrategySuite):
    strategy = Noisy()


class TestTwoLayers(ArchitectureSuite):
    architecture = TwoLayers(width=8)
