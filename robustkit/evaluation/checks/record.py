"""What a run wrote about its training, as far as checks need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingRecord:
    """A finished run's report and metrics, seen from one of its networks."""

    report: Mapping[str, Any]
    """report.json."""
    metrics: Sequence[Mapping[str, Any]]
    """metrics.jsonl, a mapping an epoch."""
    network: str = "global"
    """`global` or a learner's name."""

    @property
    def kept_epoch(self) -> int | None:
        """The epoch whose weights were kept; None where the report does not say."""
        epoch = self.report.get("selection", {}).get("epoch")
        return epoch if isinstance(epoch, int) else None

    @property
    def validation_examples(self) -> int:
        """How many examples were held out."""
        return int(self.report.get("examples", {}).get("validation", 0))

    def validation(self) -> dict[int, dict[str, float]]:
        """The network's validation accuracies as shares, by epoch and then by `natural` or attack."""
        found = {}
        for line in self.metrics:
            part = line["global"] if self.network == "global" else line["learners"].get(self.network, {})
            if part.get("validation"):
                found[int(line["epoch"])] = dict(part["validation"])
        return found
