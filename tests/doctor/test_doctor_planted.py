"""Every check has a planted defence that must trip it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from defences import (
    BetweenBytes,
    Counting,
    Detached,
    Fallback,
    Gated,
    Noisy,
    Purified,
    Reordered,
    Rippled,
    Rounded,
    Scaled,
    Sociable,
    Softmax,
    Stubborn,
    Undefined,
    Vanishing,
    backwards,
    by_the_corner,
    in_bands,
    never_on_grid,
    only_on_grid,
    with_batch_statistics,
)
from doctor_parts import EPS, Ward, named
from faulty_attacks import Forgetful, Overshoot
from torch import nn

from robustkit import Budget, Diagnosis, TrainingRecord, diagnose
from robustkit.evaluation.checks.diagnosis import RULES


@dataclass(frozen=True)
class Planted:
    """A defence, and the check that it must trip."""

    check: str
    name: str
    build: Callable[[Ward], nn.Module] = lambda ward: ward.robust
    status: str = "fail"
    eps: float = EPS
    options: Mapping[str, Any] = field(default_factory=dict)
    examples: int = 200

    def diagnosed(self, ward: Ward) -> Diagnosis:
        examples = ward.examples.subset(torch.arange(self.examples))
        options = {**self.options, **({"others": {"twin": ward.weak}} if self.check == "transfer-is-weaker" else {})}
        return diagnose(self.build(ward), examples, Budget("Linf", self.eps), checks=[self.check], **options)


def record(**changes: Any) -> dict[str, Any]:
    accuracies = {"natural": counted(90), "pgd": counted(60)}
    report = {
        "selection": {"by": "pgd", "split": "validation", "epoch": 3},
        "examples": {"train": 900, "validation": 400, "test": 100},
        "networks": {"global": accuracies},
        **changes.pop("report", {}),
    }
    shares = changes.pop("validation", [0.3, 0.4, 0.45])
    metrics = [
        {"epoch": epoch, "global": {"validation": {"natural": 0.9, "pgd": share}}, "learners": {}}
        for epoch, share in enumerate(shares, start=1)
    ]
    return {"record": TrainingRecord(report, metrics)}


def counted(correct: int, examples: int = 100) -> dict[str, Any]:
    return {"accuracy": correct / examples, "correct": correct, "examples": examples, "interval": [0.0, 1.0]}


PLANTED = [
    Planted("clean-accuracy", "classes in another order", lambda ward: Reordered(ward.robust)),
    Planted("enough-examples", "5 examples", examples=5),
    Planted("outputs-are-finite", "NaN for dark images", lambda ward: Undefined(ward.robust)),
    Planted("outputs-are-logits", "softmax outputs", lambda ward: Softmax(ward.robust)),
    Planted("modules-in-eval-mode", "deaf to eval()", lambda ward: Stubborn(copy.deepcopy(ward.robust))),
    Planted("batch-independent", "stale mode", lambda ward: with_batch_statistics(copy.deepcopy(ward.robust))),
    Planted("batch-independent", "deaf to eval()", lambda ward: Stubborn(copy.deepcopy(ward.robust))),
    Planted("batch-independent", "never alone", lambda ward: Sociable(ward.robust)),
    Planted("deterministic", "noise at inference", lambda ward: Noisy(ward.robust)),
    Planted("no-optimization-inside", "purification", lambda ward: Purified(ward.robust)),
    Planted("gradients-exist", "no graph", lambda ward: Detached(ward.robust)),
    Planted("gradients-exist", "NaN for dark images", lambda ward: Undefined(ward.robust)),
    Planted("gradients-not-masked", "rounding", lambda ward: Rounded(ward.robust)),
    Planted("gradients-not-masked", "vanishing gradients", lambda ward: Vanishing(ward.robust)),
    Planted("logits-not-saturated", "saturated logits", lambda ward: Scaled(ward.robust)),
    Planted("gradients-match-values", "straight through", lambda ward: Rounded(ward.weak, straight=True)),
    Planted("gradients-match-values", "reversed", lambda ward: Gated(ward.weak, backwards)),
    Planted("loss-is-smooth", "shattered gradients", lambda ward: Rippled(ward.weak)),
    Planted("iterative-beats-single-step", "gradient on the grid", lambda ward: Gated(ward.weak, only_on_grid)),
    Planted("no-catastrophic-overfitting", "one step fails", lambda ward: Gated(ward.weak, never_on_grid), eps=2 * EPS),
    Planted("attack-converged", "a row at a time", lambda ward: Gated(ward.robust, in_bands), eps=3 * EPS),
    Planted("restarts-do-not-help", "lucky starts", lambda ward: Gated(ward.weak, by_the_corner), eps=EPS),
    Planted(
        "larger-budgets-are-not-safer",
        "snaps back when far",
        lambda ward: Fallback(ward.weak, ward.examples.images(torch.arange(200)), 1.3 * EPS),
    ),
    Planted(
        "unbounded-attack-wins",
        "snaps back when far",
        lambda ward: Fallback(ward.weak, ward.examples.images(torch.arange(200)), 1.3 * EPS),
    ),
    Planted("noise-is-weaker", "reversed", lambda ward: Gated(ward.weak, backwards), eps=3 * EPS, examples=100),
    Planted("white-box-beats-black-box", "rounding", lambda ward: Rounded(ward.weak)),
    Planted("transfer-is-weaker", "rounding", lambda ward: Rounded(ward.weak, levels=16)),
    Planted("planted-example-found", "vanishing gradients", lambda ward: Vanishing(ward.weak)),
    Planted("predictions-repeat", "noise at inference", lambda ward: Noisy(ward.robust)),
    Planted("survives-8-bits", "between bytes", lambda ward: BetweenBytes(ward.robust)),
    Planted("attack-list-diverse", "FGSM alone", options={"attacks": {"fgsm": named("fgsm")}}),
    Planted("attack-list-diverse", "PGD alone", status="warn", options={"attacks": {"pgd": named("pgd", steps=20)}}),
    Planted("class-count", "12 logits for 10 classes", lambda ward: Reordered(ward.robust, extra=2)),
    Planted("class-count", "12 targets", options={"attacks": {"apgd": named("apgd-targeted", targets=12)}}),
    Planted("no-silent-success", "forgetful attack", options={"attacks": {"forgetful": Forgetful(2 * EPS)}}),
    Planted("perturbation-inside-budget", "overshoot", options={"attacks": {"overshoot": Overshoot(EPS)}}),
    Planted(
        "perturbation-inside-budget",
        "0.031 is not 8/255",
        status="warn",
        options={"attacks": {"pgd": named("pgd", eps=0.099)}},
    ),
    Planted("test-set-chose-nothing", "test split", options=record(report={"selection": {"split": "test"}})),
    Planted("test-set-chose-nothing", "not said", options=record(report={"selection": {}})),
    Planted(
        "report-is-complete",
        "another denominator",
        options=record(report={"networks": {"global": {"natural": counted(90), "pgd": counted(30, 50)}}}),
    ),
    Planted("report-is-complete", "robust only", options=record(report={"networks": {"global": {"pgd": counted(30)}}})),
    Planted(
        "report-is-complete", "no counts", options=record(report={"examples": {}, "networks": {"global": {"pgd": {}}}})
    ),
    Planted("no-robust-overfitting", "lost at the end", options=record(validation=[0.3, 0.5, 0.3])),
    Planted("state-unchanged", "counts images", lambda ward: Counting(ward.robust)),
    Planted("state-unchanged", "deaf to eval()", lambda ward: Stubborn(copy.deepcopy(ward.robust))),
]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: f"{planted.check}-{planted.name}".replace(" ", "_"))
def test_a_planted_defence_trips_its_check(ward: Ward, planted: Planted) -> None:
    found = planted.diagnosed(ward)[planted.check]
    assert found.status == planted.status, found


def test_every_check_has_one() -> None:
    assert {planted.check for planted in PLANTED if planted.status == "fail"} == {rule.name for rule in RULES}
