"""What it cost: seconds of clock time, and images sent through the network and back."""

from __future__ import annotations

from typing import Any

from robustkit.reporting.captions import Captions, Section
from robustkit.reporting.markup import code, joined, paragraph
from robustkit.reporting.quantities import NONE, seconds
from robustkit.reporting.source import Source


def costs(source: Source, captions: Captions) -> Section:
    """A row for each part of each network's evaluation."""
    spent = source.report["cost"].get("evaluation_seconds", {})
    passes = source.report["cost"].get("evaluation_passes", {})
    rows = []
    for network, parts in spent.items():
        examples = source.networks[network]["natural"].examples if network in source.networks else 0
        counted = passes.get(network, {})
        for part in dict.fromkeys([*parts, *counted]):
            rows.append([network, code(part), *_cells(parts.get(part), counted.get(part), examples)])
    total = sum(sum(parts.values()) for parts in spent.values())
    caption = (
        "The evaluation's cost. Forward passes are images sent through the network, backward passes images whose "
        "gradients were asked for. Neither depends on the machine; seconds do."
    )
    if any("/" in part for counted in passes.values() for part in counted):
        caption += " A/B is the member B of the ensemble A, and its cost is part of A's."
    table = captions.table(
        caption, ["network", "part", "seconds", "forward", "backward", "forward per example"], rows, words=(0, 1)
    )
    trained = source.report["cost"].get("training_seconds")
    text = f"The evaluation took {seconds(total)} s."
    if trained is not None:
        text = f"Training took {seconds(trained)} s, the evaluation {seconds(total)} s."
    return Section("cost", "Cost", joined(paragraph(text), table if rows else ""))


def _cells(time: float | None, counted: dict[str, Any] | None, examples: int) -> list[str]:
    clock = NONE if time is None else seconds(time)
    if counted is None:
        return [clock, NONE, NONE, NONE]
    each = f"{counted['forwards'] / examples:,.1f}" if examples else NONE
    return [clock, f"{counted['forwards']:,}", f"{counted['backwards']:,}", each]
