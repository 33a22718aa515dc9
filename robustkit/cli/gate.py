"""`--gate "autoattack>=40, no-fail"`: what must hold, so that a pipeline can stop where it does not."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from robustkit.components.attack import Attack, Budget
from robustkit.errors import ComponentError, InputError, did_you_mean, known
from robustkit.evaluation.checks.diagnosis import Diagnosis
from robustkit.evaluation.measurement import Accuracy
from robustkit.plugin.registry import Registry
from robustkit.recipe.builder import make

_COMPARISON = re.compile(r"(?P<part>[\w.-]+)\s*(?P<sign>>=|<=|>|<)\s*(?P<bound>\d+(?:\.\d+)?)\s*%?")
_HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
_WORDS = ("no-fail", "no-warn")
_EXAMPLE = "autoattack>=40, natural>=80, no-fail"


@dataclass(frozen=True)
class Condition:
    """One condition: an accuracy beside a bound in percent, or a word about the checks."""

    text: str
    part: str | None = None
    """`natural`, `worst-case` or an attack's name; None for a word."""
    sign: str = ">="
    bound: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """A condition, whether it holds, and the figure that decided."""

    condition: Condition
    holds: bool
    text: str


def parse_gate(text: str) -> tuple[Condition, ...]:
    """The conditions between the commas.

    Raises:
        InputError: one cannot be read.
    """
    return tuple(_condition(word.strip(), text) for word in text.split(","))


def _condition(word: str, gate: str) -> Condition:
    if word in _WORDS:
        return Condition(word)
    matched = _COMPARISON.fullmatch(word)
    if matched is None:
        hint = did_you_mean(word, _WORDS)
        signs = "one of >=, >, <=, <"
        raise InputError(
            f"--gate {gate!r}: expected no-fail, no-warn or an accuracy, {signs} and percent, got {word!r}.{hint} "
            f"Example: {_EXAMPLE}"
        )
    bound = float(matched["bound"])
    if bound > 100:
        raise InputError(f"--gate {gate!r}: {word!r} compares with more than 100 percent.")
    return Condition(word, matched["part"], matched["sign"], bound)


def gate_attacks(
    conditions: Collection[Condition], listed: Mapping[str, Attack], budget: Budget, registry: Registry
) -> dict[str, Attack]:
    """The attacks that the conditions need: listed ones, or installed ones with the examined budget.

    Raises:
        InputError: a name is neither, or `worst-case` has fewer than two listed attacks.
    """
    needed: dict[str, Attack] = {}
    for condition in conditions:
        name = condition.part
        if name is None or name == "natural":
            continue
        if name == "worst-case":
            if len(listed) < 2:
                raise InputError(f"--gate: worst-case needs two attacks or more, {len(listed)} are listed.")
            needed.update(listed)
        elif name in listed:
            needed[name] = listed[name]
        else:
            needed[name] = _installed(name, listed, budget, registry)
    return needed


def _installed(name: str, listed: Mapping[str, Attack], budget: Budget, registry: Registry) -> Attack:
    there = registry.components["attack"]
    if name not in there:
        names = ["natural", "worst-case", *listed, *there]
        raise InputError(f"--gate: there is no accuracy {name!r}.{did_you_mean(name, names)} {known(names, limit=40)}")
    fields: dict[str, object] = {"eps": budget.eps, "norm": budget.norm}
    if budget.norm == "Linf" and name == "fgsm":
        del fields["norm"]
    try:
        made = make("attack", name, registry, **fields)
    except ComponentError as error:
        text = f"--gate: {name} cannot be made of eps and norm alone, list it with --attack {name}:...: {error}"
        raise InputError(text) from None
    assert isinstance(made, Attack)
    return made


def outcomes(
    conditions: Collection[Condition], diagnosis: Diagnosis, accuracies: Mapping[str, Accuracy]
) -> tuple[Outcome, ...]:
    """What became of each condition."""
    return tuple(_outcome(condition, diagnosis, accuracies) for condition in conditions)


def _outcome(condition: Condition, diagnosis: Diagnosis, accuracies: Mapping[str, Accuracy]) -> Outcome:
    if condition.part is None:
        unwanted = ("fail",) if condition.text == "no-fail" else ("fail", "warn")
        names = [check.name for check in diagnosis.checks if check.status in unwanted]
        return Outcome(condition, not names, ", ".join(names) or "none")
    accuracy = accuracies[condition.part]
    # Rounded, so that 40 of 100 is 40 % also where a float is not.
    percent = round(100 * accuracy.correct / accuracy.examples, 9)
    holds = _HOLDS[condition.sign](percent, condition.bound)
    return Outcome(condition, holds, f"{condition.part} is {accuracy} on {accuracy.examples} examples")
