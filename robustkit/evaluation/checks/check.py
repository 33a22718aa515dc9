"""A check's rule and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from robustkit.evaluation.checks.examination import Examination

Status: TypeAlias = Literal["ok", "warn", "fail", "skipped"]


@dataclass(frozen=True)
class Finding:
    """What one measurement found."""

    status: Status
    text: str
    """The figure, in words."""
    figure: float | None = None
    """The figure, as a number; shares lie in [0, 1]. None where nothing was measured."""


@dataclass(frozen=True)
class Check:
    """One check's result."""

    name: str
    status: Status
    """`ok`, `warn`, `fail`, or `skipped` where there was nothing to measure it on."""
    text: str
    """What was found, in words; of a skipped check, why."""
    figure: float | None
    """What was found, as a number; shares lie in [0, 1]."""
    threshold: str
    """What is `ok`."""
    advice: str
    """What to do where it is not."""
    source: str
    """Whose rule it is."""

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Rule:
    """A check that can be made: its name, whose it is, and the function that measures."""

    name: str
    threshold: str
    advice: str
    source: str
    measure: Callable[[Examination], Finding]

    def result(self, finding: Finding) -> Check:
        """The check with this finding."""
        return Check(self.name, finding.status, finding.text, finding.figure, self.threshold, self.advice, self.source)


def rule(*, threshold: str, advice: str, source: str) -> Callable[[Callable[[Examination], Finding]], Rule]:
    """Make a rule of a measuring function, which gives it its name: `attack_converged` becomes `attack-converged`."""

    def made(measure: Callable[[Examination], Finding]) -> Rule:
        return Rule(measure.__name__.replace("_", "-"), threshold, advice, source, measure)

    return made


def graded(figure: float, text: str, *, warn: float, fail: float) -> Finding:
    """`ok` up to `warn`, then `warn` up to `fail`, then `fail`; no number fails."""
    status: Status = "ok" if figure <= warn else "warn" if figure <= fail else "fail"
    return Finding(status, text, figure)


def found_in(count: int, total: int, text: str, *, warn: float, fail: float) -> Finding:
    """As `graded`, of a share of examples; a single example is no sign of anything, so it is at most a warning."""
    share = count / total if total else 0.0
    finding = graded(share, f"{text}: {count} of {total} examples ({100 * share:.1f} %)", warn=warn, fail=fail)
    if count > 1 or finding.status == "ok":
        return finding
    return Finding("ok" if warn > 0 else "warn", finding.text, share)


def skipped(reason: str) -> Finding:
    """Nothing to measure it on."""
    return Finding("skipped", reason)
