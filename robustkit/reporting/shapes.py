"""What the files of a results folder must hold for a page to be made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from robustkit.errors import WeightsError


@dataclass(frozen=True)
class AccuracyShape:
    """An accuracy."""

    accuracy: float
    correct: int
    examples: int
    interval: tuple[float, float]


@dataclass(frozen=True)
class NormShape:
    """An accuracy by norm; their average has no count."""

    accuracy: float
    examples: int
    interval: tuple[float, float]
    correct: int | None = None


@dataclass(frozen=True)
class PassesShape:
    """What an attack cost in passes."""

    forwards: int
    backwards: int


@dataclass(frozen=True)
class CostShape:
    """The part `cost` of report.json."""

    training_seconds: float = 0.0
    evaluation_seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    evaluation_passes: dict[str, dict[str, PassesShape]] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportShape:
    """report.json, as far as a page reads it."""

    name: str
    seed: int
    networks: dict[str, dict[str, AccuracyShape]]
    attacks: dict[str, dict[str, Any]]
    examples: dict[str, int]
    cost: CostShape
    computed_in: dict[str, Any] = field(default_factory=dict)
    manner: dict[str, Any] = field(default_factory=dict)
    selection: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, dict[str, str]] = field(default_factory=dict)
    norms: dict[str, dict[str, NormShape]] = field(default_factory=dict)
    norms_left_out: str = ""
    saved_images: dict[str, dict[str, AccuracyShape]] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkLineShape:
    """One network in a line of metrics.jsonl."""

    loss: float = 0.0
    validation: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricsLineShape:
    """A line of metrics.jsonl, as far as a page reads it."""

    epoch: int
    merged: Annotated[NetworkLineShape, Field(alias="global")]
    learners: dict[str, NetworkLineShape]


@dataclass(frozen=True)
class CheckShape:
    """One check of a diagnosis."""

    name: str
    status: str
    text: str
    threshold: str
    advice: str
    source: str


@dataclass(frozen=True)
class DiagnosisShape:
    """What `robustkit doctor` writes."""

    status: str
    checks: list[CheckShape]
    caution: str
    examples: int
    badge: str | None = None


@cache
def _adapter(shape: type) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def checked(shape: type, data: Any, path: Path, what: str) -> Any:
    """The data as it is, if it has this shape.

    Raises:
        WeightsError: it has not; names the first places at which it differs.
    """
    try:
        _adapter(shape).validate_python(data)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, problem['loc'])) or 'all'}: {problem['msg']}" for problem in error.errors()[:3]]
        more = f" and {error.error_count() - 3} more" if error.error_count() > 3 else ""
        raise WeightsError(f"{path}: expected {what}, it is damaged: {'; '.join(found)}{more}.") from error
    return data
