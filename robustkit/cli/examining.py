"""From a command line to a diagnosis: model, data, budget, attacks and gate, checked before anything is measured."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

import torch
from torch import nn

from robustkit.cli.attack_spec import parse_attacks
from robustkit.cli.gate import Condition, Outcome, gate_attacks, outcomes, parse_gate
from robustkit.cli.progress import Progress
from robustkit.cli.screen import progress_display
from robustkit.cli.subject import ALL, Subject, open_subject
from robustkit.components.attack import Attack, Budget, Norm
from robustkit.components.examples import Examples
from robustkit.components.fields import Positive, convert
from robustkit.components.randomness import derive
from robustkit.engine.arithmetic import place
from robustkit.engine.device import choose_device
from robustkit.engine.launch import surroundings
from robustkit.errors import InputError, did_you_mean, known
from robustkit.evaluation.checks.diagnosis import CLOSING, Diagnosis, chosen_rules, diagnose
from robustkit.evaluation.checks.record import TrainingRecord
from robustkit.evaluation.evaluator import evaluate
from robustkit.evaluation.measurement import Accuracy
from robustkit.plugin.registry import Registry
from robustkit.recipe.loader import load_recipe
from robustkit.recipe.lock import plain


@dataclass(frozen=True)
class Request:
    """What the command line asks for, by the options' names."""

    model: str
    overrides: tuple[str, ...]
    network: str | None
    eps: str | None
    norm: str | None
    specs: tuple[str, ...]
    attacks_of: str | None
    data: str | None
    checks: tuple[str, ...]
    examples: int
    batch_size: int | None
    device: str | None
    gate: str | None


@dataclass(frozen=True)
class Findings:
    """What was found, and what became of the gate."""

    request: Request
    subject: Subject
    attacks: Mapping[str, Attack]
    diagnosis: Diagnosis
    accuracies: Mapping[str, Accuracy]
    gate: tuple[Outcome, ...]
    seconds: float

    @property
    def missed(self) -> list[Outcome]:
        """The conditions that do not hold."""
        return [outcome for outcome in self.gate if not outcome.holds]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        gate = [{"condition": o.condition.text, "holds": o.holds, "found": o.text} for o in self.gate]
        return {
            "model": self.request.model,
            "dataset": plain(self.subject.recipe.dataset),
            "seed": self.subject.recipe.seed,
            "attacks": {name: plain(attack) for name, attack in self.attacks.items()},
            **self.diagnosis.plain(),
            "accuracies": {name: accuracy.plain() for name, accuracy in self.accuracies.items()},
            "gate": gate,
            "caution": CLOSING,
            "cost": {"seconds": self.seconds},
        }


def examine(request: Request, registry: Registry, *, quiet: bool) -> Findings:
    """Do what the command line asks for.

    Raises:
        RobustkitError: something of it cannot be used; said before anything is measured, where that is possible.
    """
    if request.network == ALL:
        raise InputError("--network all: one network is examined at a time.")
    conditions = parse_gate(request.gate) if request.gate is not None else ()
    rules = chosen_rules(request.checks or None)
    words = [*request.overrides, *([f"device={request.device}"] if request.device else [])]
    subject = open_subject(request.model, words, data=request.data, network=request.network, registry=registry)
    attacks = _attacks(request, subject)
    budget = _budget(request, attacks)
    needed = gate_attacks(conditions, attacks, budget, registry)
    started = time.perf_counter()
    with surroundings(subject.recipe), progress_display(quiet=quiet, err=True) as display:
        work = _Work(request, subject, attacks, budget, display)
        display.evaluation_started([work.name], [rule.name for rule in rules] + list(needed))
        diagnosis = work.diagnose()
        accuracies = work.accuracies(conditions, needed)
    gate = outcomes(conditions, diagnosis, accuracies)
    return Findings(request, subject, attacks, diagnosis, accuracies, gate, time.perf_counter() - started)


def _attacks(request: Request, subject: Subject) -> dict[str, Attack]:
    """The attacks that are examined, too: those asked for, else the recipe's final ones."""
    if request.specs or request.attacks_of:
        of = request.attacks_of
        named = load_recipe(of, registry=subject.registry).evaluation.final_attacks if of else {}
        return {**named, **parse_attacks(request.specs, subject.registry)}
    return dict(subject.recipe.evaluation.final_attacks)


def _budget(request: Request, attacks: Mapping[str, Attack]) -> Budget:
    """As the options say, and where they do not, that of the first attack that has one."""
    listed = next((attack.budget for attack in attacks.values() if attack.budget and attack.budget.eps > 0), None)
    norms = get_args(Norm)
    if request.norm is not None and request.norm not in norms:
        hint = did_you_mean(request.norm, norms)
        raise InputError(f"--norm: expected {', '.join(norms)}, got {request.norm!r}.{hint}")
    norm = cast(Norm | None, request.norm) or (listed.norm if listed else "Linf")
    if request.eps is not None:
        eps, problems = convert(Positive, request.eps, ("--eps",))
        if problems:
            raise InputError(str(problems[0]))
        if norm == "Linf" and eps > 1:
            raise InputError(f"--eps: expected at most 1 in Linf, got {eps:g}: for {eps:g} of 255 write {eps:g}/255.")
        return Budget(norm, eps)
    if listed is None or norm != listed.norm:
        there = known(attacks) if attacks else "No attacks are listed."
        raise InputError(f"there is no radius to examine with in {norm}: give one, --eps 8/255. {there}")
    return listed


@dataclass(frozen=True)
class _Work:
    """The measurements, once all is known."""

    request: Request
    subject: Subject
    attacks: Mapping[str, Attack]
    budget: Budget
    display: Progress

    @property
    def name(self) -> str:
        """The network's."""
        return next(iter(self.subject.files), "network")

    def diagnose(self) -> Diagnosis:
        """All checks, or those asked for."""
        examples, seed = self._examples(), derive(self.subject.recipe.seed, "evaluation")
        others = {name: self._placed(self.subject.network(name, examples)[0]) for name in self.subject.others}
        return diagnose(
            self._network(examples),
            examples,
            self.budget,
            attacks=self.attacks,
            others=others,
            record=self._record(),
            checks=self.request.checks or None,
            seed=seed,
            batch_size=self._batch_size,
            registry=self.subject.registry,
            report=self._report,
        )

    def accuracies(self, conditions: tuple[Condition, ...], attacks: Mapping[str, Attack]) -> dict[str, Accuracy]:
        """Those that the gate asks for, and natural accuracy beside them."""
        if all(condition.part is None for condition in conditions):
            return {}
        examples = self._examples()
        measured = evaluate(
            self._network(examples),
            examples,
            attacks,
            batch_size=self._batch_size,
            seed=derive(self.subject.recipe.seed, "evaluation"),
            report=self._report,
        )
        return dict(measured.accuracies())

    @property
    def _batch_size(self) -> int:
        return self.request.batch_size or self.subject.recipe.evaluation.batch_size

    def _report(self, part: str, done: int, total: int) -> None:
        self.display.measuring(self.name, part, done, total)

    def _examples(self) -> Examples:
        test = self.subject.recipe.dataset.load("test")
        chosen = torch.arange(min(self.request.examples, len(test)))
        return test.subset(chosen).to(choose_device(self.subject.recipe.device))

    def _network(self, examples: Examples) -> nn.Module:
        model, oddities = self.subject.network(self.name, examples)
        for text in oddities:
            self.display.warned(text)
        return self._placed(model)

    def _placed(self, model: Any) -> nn.Module:
        place(model, self.subject.recipe.compute, choose_device(self.subject.recipe.device))
        return cast(nn.Module, model)

    def _record(self) -> TrainingRecord | None:
        run = self.subject.run
        if run is None or not run.folder.report.is_file():
            return None
        return TrainingRecord(run.report, run.metrics, self.name)
