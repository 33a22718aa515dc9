"""The parts that checks are made of: grades, badges, records, the witness, planted images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from doctor_parts import EPS, Ward, named
from torch import nn

from robustkit import Attack, Budget, TrainingRecord
from robustkit.evaluation.checks.attack_list import Witness, badge, settings
from robustkit.evaluation.checks.check import found_in, graded
from robustkit.evaluation.checks.diagnosis import RULES
from robustkit.evaluation.checks.examination import Examination, digest, state_of
from robustkit.evaluation.checks.gradients import margins
from robustkit.evaluation.checks.planted import _last_linear, features, plant
from robustkit.evaluation.checks.training import no_robust_overfitting


def examination(ward: Ward, **changes: Any) -> Examination:
    given = {"attacks": {}, "others": {}, "record": None, "seed": 0, "batch_size": 500, "registry": None, **changes}
    return Examination(ward.robust, ward.examples, Budget("Linf", EPS), **given)


@pytest.mark.parametrize(("figure", "status"), [(0.1, "ok"), (0.11, "warn"), (0.3, "warn"), (0.31, "fail")])
def test_grades_end_at_their_thresholds(figure: float, status: str) -> None:
    assert graded(figure, "", warn=0.1, fail=0.3).status == status
    assert graded(float("nan"), "", warn=0.1, fail=0.3).status == "fail"


@pytest.mark.parametrize(
    ("count", "total", "warn", "status"),
    [(0, 10, 0.0, "ok"), (1, 10, 0.0, "warn"), (2, 10, 0.0, "fail"), (1, 10, 0.01, "ok"), (0, 0, 0.0, "ok")],
)
def test_a_single_example_is_at_most_a_warning(count: int, total: int, warn: float, status: str) -> None:
    assert found_in(count, total, "", warn=warn, fail=warn).status == status


BADGES: list[tuple[str, dict[str, Attack]]] = [
    ("A", {"aa": named("autoattack")}),
    ("A", {"pgd": named("pgd"), "aa": named("autoattack", version="rand")}),
    ("B", {"aa": named("autoattack", steps=20)}),
    ("B", {"aa": named("autoattack", queries=100)}),
    ("A", {"a": named("apgd-ce"), "b": named("pgd", loss="margin"), "c": named("square", queries=1000)}),
    ("A", {"a": named("pgd"), "b": named("pgd", loss="margin"), "c": named("square", queries=1000)}),
    ("B", {"a": named("pgd"), "b": named("pgd", steps=20), "c": named("square", queries=1000)}),
    ("B", {"a": named("pgd"), "b": named("pgd", loss="margin"), "c": named("square", queries=100)}),
    ("B", {"pgd": named("pgd", steps=10)}),
    ("C", {"pgd": named("pgd", steps=5)}),
    ("C", {"fgsm": named("fgsm"), "square": named("square"), "noise": named("noise")}),
]


@pytest.mark.parametrize(("given", "attacks"), BADGES, ids=lambda value: value if isinstance(value, str) else "")
def test_badges(given: str, attacks: dict[str, Attack]) -> None:
    assert badge(attacks) == given


def test_settings_reach_into_what_an_attack_wraps() -> None:
    from robustkit import make

    wrapped: Any = make("attack", "eot", attack=named("pgd", steps=30), samples=3)
    assert {"steps": 30, "samples": 3, "loss": "cross-entropy", "attack": "pgd"}.items() <= settings(wrapped).items()
    assert badge({"eot": wrapped}) == "B"


def test_the_witness_counts_only_what_is_inside_the_budget_and_misclassified() -> None:
    class Bright(nn.Module):
        """Class 1 where the first pixel is above a half."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            first = images.flatten(1)[:, :1] - 0.5
            return torch.cat([-first, first], 1)

    clean = torch.tensor([0.4, 0.0, 0.45]).reshape(3, 1, 1, 1).expand(3, 1, 1, 2).contiguous()
    clean[:, :, :, 1] = torch.tensor([0.1, 0.5, 0.9]).reshape(3, 1, 1)
    witness = Witness(Bright(), clean, torch.zeros(3, dtype=torch.int64), Budget("Linf", 0.2))
    moved = clean.clone()
    moved[:, :, :, 0] = torch.tensor([0.7, 0.9, 0.55]).reshape(3, 1, 1)  # outside, outside, inside
    witness(moved[1:])
    witness(moved[:1])
    assert witness.seen.tolist() == [False, False, True]
    witness(clean + 0.15)  # and in another order, which does not matter
    assert witness.seen.tolist() == [True, False, True]


def test_margins_are_positive_exactly_where_the_answer_is_wrong() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0]])
    assert margins(logits, torch.tensor([1, 2])).tolist() == [-1.0, 1.0]


def test_planted_images_are_there_and_clean_ones_are_not(ward: Ward) -> None:
    examined = examination(ward)
    last = _last_linear(examined)
    assert last is not None
    images = examined.images[:16]
    assert features(ward.robust, last, images).shape == (16, last.in_features)
    model, possible = plant(examined, last, images)
    assert bool(possible.all())
    with torch.no_grad():
        assert model(images).argmax(1).tolist() == [0] * 16


def test_digests_tell_any_change_apart() -> None:
    model = nn.BatchNorm1d(3)
    before = state_of(model)
    assert before.keys() == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
    model.running_mean += torch.tensor([0.0, 1e-30, 0.0])
    after = state_of(model)
    assert [name for name in before if before[name] != after[name]] == ["running_mean"]
    assert digest(torch.tensor([0.0])) != digest(torch.tensor([-0.0]))


def record(shares: list[float], kept: int, network: str = "global", validation: int = 400) -> TrainingRecord:
    lines = [
        {"epoch": epoch, "global": {}, "learners": {"robust": {"validation": {"natural": 0.9, "pgd": share}}}}
        for epoch, share in enumerate(shares, start=1)
    ]
    report = {"selection": {"epoch": kept}, "examples": {"validation": validation}}
    return TrainingRecord(report, lines, network)


@pytest.mark.parametrize(
    ("shares", "kept", "validation", "status"),
    [
        ([0.3, 0.5, 0.48], 3, 400, "ok"),
        ([0.3, 0.5, 0.42], 3, 400, "warn"),
        ([0.3, 0.5, 0.3], 3, 400, "fail"),
        ([0.3, 0.5, 0.3], 2, 400, "ok"),  # the best epoch was kept
        ([0.3, 0.5, 0.42], 3, 50, "ok"),  # within what 50 examples can tell
        ([0.5], 1, 400, "skipped"),
    ],
)
def test_robust_overfitting_is_measured_at_the_kept_epoch(
    ward: Ward, shares: list[float], kept: int, validation: int, status: str
) -> None:
    examined = examination(ward, record=record(shares, kept, "robust", validation))
    assert no_robust_overfitting.measure(examined).status == status
    examined = examination(ward, record=record(shares, kept, "global", validation))
    assert no_robust_overfitting.measure(examined).status == "skipped"


def test_every_check_says_whose_it_is_and_what_it_costs() -> None:
    for rule in RULES:
        text = rule.measure.__doc__ or ""
        assert "Source: " in text, rule.name
        assert "Cost: " in text, rule.name
        assert all((rule.threshold, rule.advice, rule.source)), rule.name
    assert len({rule.name for rule in RULES}) == len(RULES) == 33


def test_the_guide_lists_every_check() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert listed == [rule.name for rule in RULES]
