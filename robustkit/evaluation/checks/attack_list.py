"""The attacks a network is evaluated by: are they diverse, sound, and of one budget?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.components.attack import Attack, Budget
from robustkit.components.randomness import derive
from robustkit.errors import AttackError
from robustkit.evaluation.checks.check import Finding, found_in, graded, rule, skipped
from robustkit.evaluation.checks.examination import LISTED, Examination

Badge: TypeAlias = Literal["A", "B", "C"]
_GRADIENT_FREE = ("square", "noise", "transfer", "onepixel", "pixle", "gn")
_NO_ATTACKS = "no attacks are listed: a run's final_attacks, or --attack"


def settings(attack: Attack) -> dict[str, Any]:
    """An attack's settings by name, those of attacks inside it and of other libraries' parameters included."""
    found: dict[str, Any] = {}
    for item in fields(attack):
        value = getattr(attack, item.name)
        if is_dataclass(value) and not isinstance(value, type):
            found.setdefault(item.name, getattr(value, "name", None))
            found.update(settings(value) if isinstance(value, Attack) else {})
        elif isinstance(value, Mapping):
            found.update(value)
        else:
            found[item.name] = value
    return found


def _names(attack: Attack) -> Iterator[str]:
    """The names by which a kind of attack may be known: its own, and those of what it wraps."""
    yield attack.name.lower()
    inner = getattr(attack, "attack", None)
    if isinstance(inner, Attack):
        yield from _names(inner)
    elif isinstance(inner, str):
        yield inner.lower()


def _is_full(attack: Attack) -> bool:
    """AutoAttack with as many steps and queries as others mean by it."""
    known = settings(attack)
    enough = int(known.get("steps", 100)) >= 100 and int(known.get("queries", 5000)) >= 5000
    return "autoattack" in _names(attack) and enough


def _is_gradient_free(attack: Attack) -> bool:
    return any(name in _GRADIENT_FREE for name in _names(attack))


def badge(attacks: Mapping[str, Attack]) -> Badge:
    """A: AutoAttack, or strong gradient attacks on two losses and a long random search; B: iterative; C: less."""
    if any(_is_full(attack) for attack in attacks.values()):
        return "A"
    iterative = [
        attack
        for attack in attacks.values()
        if not _is_gradient_free(attack) and settings(attack).get("steps", 0) >= 10
    ]
    losses = {(attack.name, str(settings(attack).get("loss"))) for attack in iterative}
    search = any(
        "square" in _names(attack) and settings(attack).get("queries", 0) >= 1000 for attack in attacks.values()
    )
    return "A" if len(losses) > 1 and search else "B" if iterative else "C"


@rule(
    threshold="badge A",
    advice="Evaluate by `autoattack` (100 steps, 5,000 queries), and by an attack made for this defence.",
    source="Carlini et al. 2019, section 4: a diverse set of attacks",
)
def attack_list_diverse(examined: Examination) -> Finding:
    """A badge for the listed attacks. Whether one of them was adapted to the defence, only its author knows.

    Source: Carlini et al. 2019, section 4; Croce and Hein, ICML 2020. Cost: none.
    """
    if not examined.attacks:
        return skipped(_NO_ATTACKS)
    given = badge(examined.attacks)
    status: dict[str, Literal["ok", "warn", "fail"]] = {"A": "ok", "B": "warn", "C": "fail"}
    what = {"A": "AutoAttack or its like", "B": "iterative gradient attacks only", "C": "no iterative gradient attack"}
    return Finding(status[given], f"badge {given}: {what[given]} ({', '.join(examined.attacks)})", "CBA".index(given))


@rule(
    threshold="as many logits as classes, and no attack that wants more",
    advice="Give the attack the data's number of classes, with at most one target less than that.",
    source="AutoAttack, checks.py: check_n_classes; auto-attack#70, #79, #110",
)
def class_count(examined: Examination) -> Finding:
    """Logits for classes that do not exist, and attacks set to more classes or targets than there are.

    Source: AutoAttack, `check_n_classes`. Cost: none.
    """
    classes, logits = examined.classes, examined.clean.shape[1]
    wrong = [f"the network has {logits} logits"] if logits != classes else []
    for name, attack in examined.attacks.items():
        known = settings(attack)
        if known.get("n_classes") not in (None, classes):
            wrong.append(f"{name} expects {known['n_classes']} classes")
        # What is a default of the attack, it lowers by itself where there are fewer classes.
        default = {item.name: item.default for item in fields(attack)}.get("targets")
        targets = known.get("targets")
        if isinstance(targets, int) and targets != default and targets > classes - 1:
            wrong.append(f"{name} wants {targets} targets of {classes - 1}")
    return graded(len(wrong), f"{classes} classes{': ' if wrong else ''}{'; '.join(wrong)}", warn=0, fail=0)


class Witness(nn.Module):
    """Passes images through, and notes which examples had an image inside the budget that was misclassified."""

    def __init__(self, model: nn.Module, images: Tensor, labels: Tensor, budget: Budget) -> None:
        super().__init__()
        self.model, self.budget = model, budget
        self.clean, self.labels = images, labels
        self.seen = torch.zeros(len(images), dtype=torch.bool, device=images.device)

    def forward(self, images: Tensor) -> Tensor:
        """The model's logits."""
        logits: Tensor = self.model(images)
        with torch.no_grad():
            self._note(images.detach(), logits.detach())
        return logits

    def _note(self, images: Tensor, logits: Tensor) -> None:
        clean, given = self.clean.flatten(1), images.flatten(1).to(self.clean.dtype)
        # An image inside the budget of an example is an adversarial one for it, whomever it was made for.
        nearest = torch.cdist(given, clean).argmin(1)
        distance = distances(given - clean[nearest], self.budget)
        valid = (distance <= self.budget.eps * (1 + 1e-5) + 1e-6) & (given >= -1e-6).all(1) & (given <= 1 + 1e-6).all(1)
        self.seen[nearest[valid & (logits.argmax(1) != self.labels[nearest])]] = True


def distances(moved: Tensor, budget: Budget) -> Tensor:
    """The lengths (N,) of perturbations (N, ...) in the budget's norm."""
    order = {"Linf": torch.inf, "L2": 2.0, "L1": 1.0}[budget.norm]
    lengths: Tensor = torch.linalg.vector_norm(moved.flatten(1), order, dim=1)
    return lengths


@dataclass(frozen=True)
class Trial:
    """One listed attack on a few examples."""

    furthest: float
    """The longest perturbation it returned, in its budget's norm, measured in float64."""
    silent: int
    """Examples for which it saw a misclassified image inside its budget and returned another."""
    broken: str | None
    """What `perturb` refused about its result; None where that is sound."""


def _trial(examined: Examination, name: str, attack: Attack) -> Trial:
    """The attack on the first few examples that are right, run once."""
    chosen = examined.natural.nonzero().flatten()[:LISTED]
    images, labels = examined.images[chosen], examined.labels[chosen]
    budget = attack.budget or Budget("Linf", 1.0)
    witness = Witness(examined.model, images, labels, budget)
    seed = derive(examined.seed, "doctor", "listed", name)
    try:
        found = perturb(attack, witness, images, labels, seed=seed, examples=chosen.cpu())
    except AttackError as error:
        return Trial(math.nan, 0, str(error))
    silent = witness.seen & (examined.logits(found).argmax(1) == labels)
    furthest = distances(found.double() - images.double(), budget)
    return Trial(float(furthest.max()), int(silent.sum()), None)


def _trials(examined: Examination) -> dict[str, Trial]:
    return {
        name: examined.once(f"trial/{name}", partial(_trial, examined, name, attack))
        for name, attack in examined.attacks.items()
    }


def _untried(examined: Examination) -> str | None:
    """Why no listed attack can be tried."""
    if not examined.attacks:
        return _NO_ATTACKS
    return None if bool(examined.natural.any()) else "no example is classified right"


@rule(
    threshold="no example",
    advice="Keep the worst image seen, not the last (`keep: best` or `first` of pgd).",
    source="Pintor et al. 2022: silent success",
)
def no_silent_success(examined: Examination) -> Finding:
    """Examples for which a listed attack saw a misclassified image inside its budget and returned another.

    Source: Pintor et al., Indicators of Attack Failure, NeurIPS 2022: silent success. Cost: each listed attack on 16
    examples, shared with the next.
    """
    reason = _untried(examined)
    if reason is not None:
        return skipped(reason)
    trials = _trials(examined)
    silent = [f"{trial.silent} by {name}" for name, trial in trials.items() if trial.silent]
    tried = len(trials) * min(LISTED, int(examined.natural.sum()))
    count = sum(trial.silent for trial in trials.values())
    return found_in(count, tried, f"successes lost ({', '.join(silent) or 'none'})", warn=0.0, fail=0.0)


@rule(
    threshold="every result inside its budget and [0, 1], every budget the examined one",
    advice="Keep delta and projection in float32, and give every attack the eps that is reported: 0.031 is not 8/255.",
    source="measured: torchattacks in bfloat16 leaves its eps; auto-attack#54, #86",
)
def perturbation_inside_budget(examined: Examination) -> Finding:
    """What the listed attacks return, measured in float64; and attacks whose budget is not the examined one.

    Source: none of the known libraries enforces it; auto-attack#54, #86. Cost: none beside the last.
    """
    reason = _untried(examined)
    if reason is not None:
        return skipped(reason)
    wrong, unlike = [], []
    for name, trial in _trials(examined).items():
        budget = examined.attacks[name].budget
        if trial.broken is not None:
            wrong.append(trial.broken)
        elif budget is not None and trial.furthest > budget.eps * (1 + 1e-5) + 1e-6:
            wrong.append(f"{name} moves by {trial.furthest:g}, allowed are {budget.eps:g}")
        budgets = examined.attacks[name].budgets
        if budgets not in ((), (examined.budget,)):
            unlike.append(f"{name} has {' or '.join(map(str, budgets))}")
    own = str(examined.budget)
    if wrong or unlike:
        text = "; ".join(wrong) or f"examined with {own}, but {'; '.join(unlike)}"
        return Finding("fail" if wrong else "warn", text, float(len(wrong or unlike)))
    return Finding("ok", f"all of {', '.join(examined.attacks)} stay inside {own}", 0.0)
