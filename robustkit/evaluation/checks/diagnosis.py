"""All checks on one network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from robustkit.attacking.isolation import modes_restored, private_randomness
from robustkit.components.attack import Attack, Budget
from robustkit.components.examples import Examples
from robustkit.components.randomness import derive
from robustkit.errors import AttackError, InputError, did_you_mean, known
from robustkit.evaluation.checks import (
    attack_list,
    gradient_free,
    gradients,
    inference,
    outputs,
    planted,
    radii,
    strength,
    training,
    validity,
)
from robustkit.evaluation.checks.attack_list import Badge, badge
from robustkit.evaluation.checks.check import Check, Finding, Rule, Status
from robustkit.evaluation.checks.examination import Examination
from robustkit.evaluation.checks.record import TrainingRecord
from robustkit.plugin.registry import Registry

CLOSING = (
    "These checks can show that an evaluation is wrong; they cannot prove that a network is robust "
    "(Carlini et al., On Evaluating Adversarial Robustness, 2019)."
)
RULES: tuple[Rule, ...] = (
    outputs.clean_accuracy,
    outputs.enough_examples,
    outputs.outputs_are_finite,
    outputs.outputs_are_logits,
    inference.modules_in_eval_mode,
    inference.batch_independent,
    inference.deterministic,
    inference.no_optimization_inside,
    gradients.gradients_exist,
    gradients.gradients_not_masked,
    gradients.logits_not_saturated,
    gradients.gradients_match_values,
    gradients.loss_is_smooth,
    strength.iterative_beats_single_step,
    strength.no_catastrophic_overfitting,
    strength.attack_converged,
    strength.restarts_do_not_help,
    radii.larger_budgets_are_not_safer,
    radii.unbounded_attack_wins,
    gradient_free.noise_is_weaker,
    gradient_free.white_box_beats_black_box,
    gradient_free.transfer_is_weaker,
    planted.planted_example_found,
    validity.predictions_repeat,
    validity.survives_8_bits,
    attack_list.attack_list_diverse,
    attack_list.class_count,
    attack_list.no_silent_success,
    attack_list.perturbation_inside_budget,
    training.test_set_chose_nothing,
    training.report_is_complete,
    training.no_robust_overfitting,
    inference.state_unchanged,
)
"""Every check, in its order; whether anything changed is looked at last."""
_ORDER: tuple[Status, ...] = ("fail", "warn", "ok", "skipped")
Report = Callable[[str, int, int], None]
"""Told (check, examples done, examples in all) after every check."""


@dataclass(frozen=True)
class Diagnosis:
    """What the checks found about one network."""

    checks: tuple[Check, ...]
    badge: Badge | None
    """How diverse the listed attacks are: A, B or C; None where there are none."""
    budget: Budget
    examples: int

    @property
    def status(self) -> Status:
        """The worst status of all checks."""
        return min((check.status for check in self.checks), key=_ORDER.index, default="skipped")

    def __getitem__(self, name: str) -> Check:
        """The check of this name."""
        return {check.name: check for check in self.checks}[name]

    def names(self, status: Status) -> list[str]:
        """The checks with this status."""
        return [check.name for check in self.checks if check.status == status]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "status": self.status,
            "badge": self.badge,
            "budget": {"norm": self.budget.norm, "eps": self.budget.eps},
            "examples": self.examples,
            "checks": [check.plain() for check in self.checks],
            "caution": CLOSING,
        }

    def __repr__(self) -> str:
        """One line a check, and what all of them cannot say."""
        lines = [f"  {check.status:7} {check.name}: {check.text}" for check in self.checks]
        return "\n".join([f"Diagnosis on {self.examples} examples: {self.status}", *lines, CLOSING])


def diagnose(
    model: nn.Module,
    examples: Examples,
    budget: Budget,
    *,
    attacks: Mapping[str, Attack] | None = None,
    others: Mapping[str, nn.Module] | None = None,
    record: TrainingRecord | None = None,
    checks: Sequence[str] | None = None,
    seed: int = 0,
    batch_size: int = 500,
    registry: Registry | None = None,
    report: Report | None = None,
) -> Diagnosis:
    """Look for what makes robustness figures wrong: in a network, in the attacks on it, in its training.

    The network is in eval mode meanwhile, and left as it was. Equal arguments give equal findings.

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, K).
        examples: what to look at it on; a few hundred do.
        budget: what the attacks may change.
        attacks: those it is evaluated by, which are checked too; by the names findings use.
        others: further networks for the same images, for transfer attacks.
        record: of its training.
        checks: only those of these names; by default all.
        seed: of everything random.
        batch_size: examples at a time.
        registry: where the reference attacks (pgd, noise, square) are looked up; by default the installed plugins.
        report: told about progress.

    Raises:
        InputError: there are no examples, the budget is 0, the model's output is not (N, K), or a check is unknown.
        PluginError: a reference attack is not installed.
        ComponentError: a reference attack cannot have this budget.
    """
    if len(examples) == 0 or budget.eps <= 0 or batch_size < 1:
        got = f"{len(examples)} examples, eps {budget.eps:g} and batch_size {batch_size}"
        raise InputError(f"expected examples, a radius above 0 and a batch_size of at least 1, got {got}.")
    rules = chosen_rules(checks)
    attacks, device = attacks or {}, next(model.parameters(), torch.zeros(())).device
    with _left_as_it_was(model), private_randomness(derive(seed, "doctor"), device):
        examined = Examination(
            model.eval(),
            examples,
            budget,
            attacks=attacks,
            others=others or {},
            record=record,
            seed=seed,
            batch_size=batch_size,
            registry=registry,
        )
        found = []
        for rule in rules:
            found.append(rule.result(_measured(rule, examined)))
            if report is not None:
                report(rule.name, len(examples), len(examples))
    return Diagnosis(tuple(found), badge(attacks) if attacks else None, budget, len(examples))


def chosen_rules(names: Sequence[str] | None) -> tuple[Rule, ...]:
    """The checks of these names, in their own order; all for None.

    Raises:
        InputError: there is no such check.
    """
    if names is None:
        return RULES
    there = [rule.name for rule in RULES]
    for name in names:
        if name not in there:
            raise InputError(f"there is no check {name!r}.{did_you_mean(name, there)} {known(there, limit=40)}")
    return tuple(rule for rule in RULES if rule.name in names)


def _measured(rule: Rule, examined: Examination) -> Finding:
    """What the rule's function finds; that attacks cannot be run on this network, or that it raises, is one, too."""
    try:
        return rule.measure(examined)
    except torch.OutOfMemoryError:
        raise
    except AttackError as error:
        return Finding("fail", f"could not be measured: {error}")
    except (RuntimeError, ValueError) as error:
        return Finding("fail", f"could not be measured: {type(error).__name__}: {' '.join(str(error).split())}")


@contextmanager
def _left_as_it_was(model: nn.Module) -> Iterator[None]:
    """Give the model its modes, parameters and buffers back: networks that update themselves are examined, too."""
    held = [*model.parameters(), *model.buffers()]
    before = [tensor.detach().clone() for tensor in held]
    try:
        with modes_restored(model):
            yield
    finally:
        for tensor, value in zip(held, before, strict=True):
            tensor.data.copy_(value)
