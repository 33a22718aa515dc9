"""What every suite checks: the rules for all components, and what it says when it is not told what to test."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest
from suite_failures import failures
from torch import Tensor

import robustkit.testing
from robustkit import CrossEntropy, Loss
from robustkit.errors import InputError
from robustkit.plugin.registry import KINDS
from robustkit.testing import ComponentSuite, LossSuite


@dataclass(frozen=True)
class Scaled(Loss):
    """Cross-entropy times a factor."""

    name = "scaled"
    factor: float = 2.0

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.factor * CrossEntropy()(logits, labels)


class TestSound(LossSuite):
    loss = Scaled(factor=3.0)


class TestSeveral(LossSuite):
    @pytest.fixture(autouse=True, params=[Scaled(), Scaled(0.5), CrossEntropy(label_smoothing=0.1)], ids=repr)
    def configure(self, request):
        self.loss = request.param


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_suite(kind):
    suites = [getattr(robustkit.testing, name) for name in robustkit.testing.__all__ if name.endswith("Suite")]
    (suite,) = [suite for suite in suites if suite is not ComponentSuite and suite.kind == kind]
    assert suite.__annotations__[kind] == KINDS[kind][0].__name__


def test_a_forgotten_attribute_is_named():
    class TestForgotten(LossSuite):
        pass

    with pytest.raises(InputError, match=r"TestForgotten does not say what to test: set `loss = MyLoss\(...\)`"):
        TestForgotten().test_gives_one_loss_an_example()
    with pytest.raises(InputError, match="TestForgotten does not say what to test"):
        TestForgotten().test_is_frozen()


def test_a_class_in_place_of_an_instance_is_refused():
    found = failures(LossSuite, Scaled)
    assert "must be an instance of robustkit.Loss, got <class" in found["test_can_be_registered"]


def test_other_missing_attributes_stay_attribute_errors():
    assert not hasattr(TestSound(), "aggregator")


def test_a_class_that_may_not_be_registered():
    @dataclass(frozen=True)
    class Shouting(Loss):
        """Has a name in capitals."""

        name = "SHOUT"

        def __call__(self, logits, labels):
            return CrossEntropy()(logits, labels)

    found = failures(LossSuite, Shouting())
    assert list(found) == ["test_can_be_registered"]
    assert "lower case" in found["test_can_be_registered"]


def test_a_class_without_its_decorator():
    class Plain(Loss):
        """Lacks @dataclass."""

        name = "plain"

        def __call__(self, logits, labels):
            return CrossEntropy()(logits, labels)

    assert "@dataclass(frozen=True)" in failures(LossSuite, Plain())["test_is_frozen"]


def test_a_component_that_changes_its_fields_at_every_build():
    @dataclass(frozen=True)
    class Growing(Scaled):
        """Doubles its factor whenever it is built."""

        name = "growing"

        def __post_init__(self) -> None:
            super().__post_init__()
            object.__setattr__(self, "factor", 2 * self.factor)

    assert set(failures(LossSuite, Growing())) == {"test_rebuilds_from_its_fields"}


def test_a_repr_that_hides_fields():
    @dataclass(frozen=True, repr=False)
    class Secret(Scaled):
        """Shows nothing."""

        name = "secret"

        def __repr__(self) -> str:
            return "<secret>"

    assert set(failures(LossSuite, Secret())) == {"test_shows_its_fields"}


def test_a_class_without_a_docstring():
    @dataclass(frozen=True)
    class Mute(Scaled):
        name = "mute"

    assert set(failures(LossSuite, Mute())) == {"test_says_what_it_is"}


def test_pytest_is_not_needed_to_import_the_suites():
    code = "import sys, robustkit.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
