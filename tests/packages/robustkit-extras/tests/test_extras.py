from robustkit_extras import Corners, HalfAndHalf, Perceptron, Stripes

from robustkit.testing import ArchitectureSuite, AttackSuite, DatasetSuite, StrategySuite


class TestStripes(DatasetSuite):
    dataset = Stripes(examples=24)


class TestPerceptron(ArchitectureSuite):
    architecture = Perceptron()


class TestCorners(AttackSuite):
    attack = Corners(eps="8/255")
    test_does_not_depend_on_the_batch = None  # it draws a batch at a time


class TestHalfAndHalf(StrategySuite):
    strategy = HalfAndHalf(attack=Corners(eps="8/255", tries=1))
