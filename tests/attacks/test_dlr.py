"""The difference of logits ratio: by hand, its invariances, and what it is with few classes."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import DLR, Margin
from robustkit_attacks.dlr import targeted_dlr

from robustkit.testing import LossSuite


class TestDLR(LossSuite):
    loss = DLR()


class TestDLROfThreeClasses(LossSuite):
    loss = DLR()
    num_classes = 3


class TestDLROfTwoClasses(LossSuite):
    loss = DLR()
    num_classes = 2


LOGITS = torch.tensor([[1.0, 4.0, 2.5, 0.0, -1.0]], dtype=torch.float64)


def test_by_hand():
    assert DLR()(LOGITS, torch.tensor([1])).item() == pytest.approx(-1.5 / 3.0)
    assert DLR()(LOGITS, torch.tensor([0])).item() == pytest.approx(3.0 / 3.0)
    assert DLR()(LOGITS, torch.tensor([4])).item() == pytest.approx(5.0 / 3.0)


def test_targeted_by_hand():
    for label, target, expected in ((1, 2, -1.5), (1, 4, -5.0), (0, 1, 3.0), (3, 0, 1.0)):
        ratio = targeted_dlr(LOGITS, torch.tensor([label]), torch.tensor([target])).item()
        assert ratio == pytest.approx(expected / (4.0 - 0.5 * (1.0 + 0.0)))


def test_scale_and_shift_of_the_logits_do_not_matter():
    logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels, targets = torch.arange(50) % 6, (torch.arange(50) + 2) % 6
    for changed in (logits * 1000, logits + 7, logits * 1e-3 - 2):
        torch.testing.assert_close(DLR()(changed, labels), DLR()(logits, labels), atol=1e-6, rtol=0)
        theirs, ours = (targeted_dlr(part, labels, targets) for part in (changed, logits))
        torch.testing.assert_close(theirs, ours, atol=1e-6, rtol=0)
    assert torch.equal(DLR()(logits, labels) > 0, logits.argmax(1) != labels)


def test_without_enough_classes_there_is_no_denominator():
    logits, labels = torch.tensor([[3.0, 1.0], [0.5, 2.0]]), torch.tensor([0, 0])
    assert DLR()(logits, labels).tolist() == Margin()(logits, labels).tolist() == [-2.0, 1.5]
    assert targeted_dlr(logits, labels, 1 - labels).tolist() == [-2.0, 1.5]
    three = torch.tensor([[3.0, 1.0, 0.0]])
    assert DLR()(three, torch.tensor([0])).item() == pytest.approx(-2 / 3)
    assert targeted_dlr(three, torch.tensor([0]), torch.tensor([2])).item() == -3.0


def test_logits_that_are_all_alike_have_a_finite_gradient():
    logits = torch.zeros(1, 5, requires_grad=True)
    for loss in (DLR()(logits, torch.tensor([2])), targeted_dlr(logits, torch.tensor([2]), torch.tensor([1]))):
        assert loss.item() == 0
        assert torch.autograd.grad(loss.sum(), logits)[0].isfinite().all()
