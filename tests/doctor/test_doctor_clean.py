"""A network that hides nothing trips no check, and is given back as it came."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from defences import Noisy, Stubborn, Vanishing
from doctor_parts import EPS, Ward, named, planted_ward
from torch import nn

from robustkit import Budget, Diagnosis, TrainingRecord, diagnose, perturb
from robustkit.errors import AttackError, InputError
from robustkit.evaluation.checks.diagnosis import CLOSING, RULES

LINF = Budget("Linf", EPS)
ATTACKS = {"apgd-ce": named("apgd-ce"), "apgd-dlr": named("apgd-dlr"), "square": named("square", queries=1000)}
ACCURACIES = {
    "natural": {"accuracy": 0.96, "correct": 192, "examples": 200},
    "apgd-ce": {"accuracy": 0.8, "correct": 160, "examples": 200},
}
METRICS = [
    {"epoch": epoch, "global": {"validation": {"natural": 0.9, "pgd": share}}, "learners": {}}
    for epoch, share in ((2, 0.5), (4, 0.62), (6, 0.6))
]
RECORD = TrainingRecord(
    {
        "selection": {"by": "last", "split": None, "epoch": 6},
        "examples": {"train": 900, "validation": 150, "test": 200},
        "networks": {"global": ACCURACIES},
    },
    METRICS,
)


def examined(ward: Ward, **options: Any) -> Diagnosis:
    return diagnose(ward.robust, ward.examples, LINF, attacks=ATTACKS, record=RECORD, **options)


def test_a_robust_network_trips_no_check(ward: Ward) -> None:
    found = examined(ward, others={"weak": ward.weak})
    assert not [check for check in found.checks if check.status != "ok"], found
    assert [check.name for check in found.checks] == [rule.name for rule in RULES]
    assert (found.status, found.badge) == ("ok", "A")
    assert found.plain()["caution"] == CLOSING


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_whatever_seed_it_was_trained_with(seed: int) -> None:
    test_a_robust_network_trips_no_check(planted_ward(seed))


def test_without_a_record_attacks_or_another_network_checks_are_skipped_with_the_reason(ward: Ward) -> None:
    names = ["transfer-is-weaker", "attack-list-diverse", "no-silent-success", "report-is-complete", "class-count"]
    found = diagnose(ward.robust, ward.examples, LINF, checks=names)
    assert found.names("skipped") == [name for name in (check.name for check in found.checks) if name != "class-count"]
    twin = diagnose(ward.robust, ward.examples, LINF, checks=names[:1], others={"twin": copy.deepcopy(ward.robust)})
    assert twin["transfer-is-weaker"].text == "the other networks are this one"
    assert all(check.figure is None and check.text for check in found.checks if check.status == "skipped")
    assert found.badge is None


FAST = ["clean-accuracy", "iterative-beats-single-step", "attack-converged", "loss-is-smooth", "survives-8-bits"]


def test_equal_arguments_give_equal_findings_whatever_the_batch_size(ward: Ward) -> None:
    few = Ward(ward.robust, ward.weak, ward.examples.subset(torch.arange(100)))
    first, again = (examined(few, checks=FAST, seed=3) for _ in range(2))
    assert first == again
    batches = examined(few, checks=FAST, seed=3, batch_size=33)
    for one, other in zip(first.checks, batches.checks, strict=True):
        assert one.status == other.status
        assert one.figure == pytest.approx(other.figure, abs=0.021)


def test_the_network_and_the_global_generator_are_as_before(ward: Ward) -> None:
    model = Stubborn(copy.deepcopy(ward.robust))
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = torch.random.get_rng_state()
    found = diagnose(model, ward.examples, LINF, checks=["modules-in-eval-mode", "deterministic", "state-unchanged"])
    assert found.names("fail")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_what_cannot_be_measured_is_a_failure(ward: Ward) -> None:
    class Detached(nn.Module):
        @torch.no_grad()
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return ward.robust(images)

    with pytest.raises(AttackError, match="no gradient"):
        perturb(named("pgd"), Detached(), ward.examples.images(torch.arange(2)), ward.examples.labels[:2])
    check = diagnose(Detached(), ward.examples, LINF, checks=["attack-converged"])["attack-converged"]
    assert check.status == "fail"
    assert check.text.startswith("could not be measured: the model's logits have no gradient")


def test_progress_is_told_after_every_check(ward: Ward) -> None:
    told: list[tuple[str, int, int]] = []
    names = ["clean-accuracy", "deterministic"]
    diagnose(ward.robust, ward.examples, LINF, checks=names, report=lambda *words: told.append(words))
    assert told == [(name, 200, 200) for name in names]


@pytest.mark.parametrize(
    ("budget", "options", "expected"),
    [
        (Budget("Linf", 0.0), {}, "eps 0 "),
        (LINF, {"batch_size": 0}, "batch_size 0"),
        (LINF, {"checks": ["determinstic"]}, "no check 'determinstic'. Did you mean 'deterministic'?"),
    ],
)
def test_what_is_refused(ward: Ward, budget: Budget, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected.replace("?", r"\?")):
        diagnose(ward.robust, ward.examples, budget, **options)


def test_a_model_that_gives_no_logits_is_refused(ward: Ward) -> None:
    with pytest.raises(InputError, match=r"expected logits \(2, 10\) from the model, got \(2, 1, 8, 8\)"):
        diagnose(nn.Identity(), ward.examples, LINF)


@pytest.mark.parametrize(("norm", "eps"), [("L2", 0.5), ("L1", 2.0)])
def test_other_norms(ward: Ward, norm: Any, eps: float) -> None:
    names = ["attack-converged", "unbounded-attack-wins", "noise-is-weaker", "white-box-beats-black-box"]
    names += ["planted-example-found", "gradients-match-values"]
    found = diagnose(ward.robust, ward.examples.subset(torch.arange(40)), Budget(norm, eps), checks=names)
    skipped = ["white-box-beats-black-box"] if norm == "L1" else []
    assert found.names("skipped") == skipped, found
    assert found["unbounded-attack-wins"].status == "ok", found


def test_a_diagnosis_reads_as_a_table(ward: Ward) -> None:
    found = diagnose(Vanishing(ward.weak), ward.examples, LINF, checks=["gradients-not-masked", "clean-accuracy"])
    assert repr(found).splitlines()[0] == "Diagnosis on 200 examples: fail"
    assert "  fail    gradients-not-masked: both gradients are exactly 0: " in repr(found)
    assert repr(found).endswith(CLOSING)
    noisy = diagnose(Noisy(ward.robust), ward.examples, LINF, checks=["deterministic"])
    assert "eot" in noisy["deterministic"].advice
