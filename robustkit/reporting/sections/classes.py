"""Accuracy class by class: an average may hide a class that never stands."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from torch import Tensor

from robustkit.evaluation.measurement import Accuracy
from robustkit.evaluation.outcome import Record
from robustkit.reporting.captions import Captions, Section, folded
from robustkit.reporting.drawing.class_plot import draw_classes
from robustkit.reporting.markup import joined, paragraph
from robustkit.reporting.plots import plot
from robustkit.reporting.quantities import NONE, interval, points, with_interval
from robustkit.reporting.source import Source

SHOWN = 24
"""A plot shows no more classes than this: those that fare worst."""


def standing(record: Record) -> Tensor:
    """(N,), bool: right on the clean image and under every attack."""
    return (record.outcomes["natural"].prediction == record.labels) & (record.broken_by < 0)


def by_class(right: Tensor, labels: Tensor) -> dict[int, Accuracy]:
    """The accuracy of each class that has an example."""
    counts = torch.bincount(labels)
    correct = torch.bincount(labels, right.long(), len(counts))
    pairs = enumerate(zip(correct.tolist(), counts.tolist(), strict=True))
    return {number: Accuracy(int(right_), int(count)) for number, (right_, count) in pairs if count}


def classes(source: Source, captions: Captions) -> Section:
    """Natural and worst-case accuracy of each class, for each network."""
    record = source.records[source.main]
    natural = by_class(record.outcomes["natural"].prediction == record.labels, record.labels)
    worst = {name: by_class(standing(found), found.labels) for name, found in source.records.items()}
    order = sorted(natural)
    lowest = {name: min(found.values(), key=lambda accuracy: accuracy.share) for name, found in worst.items()}
    rows = []
    for number in order:
        cells = [source.class_name(number), f"{natural[number].examples:,}", with_interval(natural[number])]
        for name, found in worst.items():
            held = found.get(number)
            cells.append(with_interval(held, strong=held.share == lowest[name].share) if held else NONE)
        rows.append(cells)
    head = ["class", "n", f"natural, {source.main}", *(f"worst case, {name}" for name in worst)]
    caption = (
        "Accuracy of each true class in percent, clean and in the worst case over all attacks, with 95 % Wilson "
        "intervals over the class's n examples. Each network's weakest class is bold."
    )
    table = captions.table(caption, head, rows)
    figure = captions.figure(_caption(source, len(order)), plot(_drawn(source, worst), "Worst case by class"))
    weakest = min(order, key=lambda number: worst[source.main][number].share)
    low = worst[source.main][weakest]
    text = (
        f"The class {source.class_name(weakest)} is the weakest of {source.main}: {points(low.share)} % "
        f"{interval(low.interval)} of its {low.examples:,} examples stand under every attack."
    )
    shown = folded(f"All {len(order)} classes", table) if len(order) > SHOWN else table
    return Section("classes", "Classes", joined(paragraph(text), shown, figure))


def _drawn_classes(source: Source, worst: dict[str, dict[int, Accuracy]]) -> list[int]:
    found = worst[source.main]
    return sorted(sorted(found, key=lambda number: found[number].share)[:SHOWN])


def _drawn(source: Source, worst: dict[str, dict[int, Accuracy]]) -> Figure:
    numbers = _drawn_classes(source, worst)
    series = {name: [found.get(number) for number in numbers] for name, found in worst.items()}
    return draw_classes([source.class_name(number) for number in numbers], series, "worst-case accuracy")


def _caption(source: Source, count: int) -> str:
    some = f" Of {count} classes, the {SHOWN} that fare worst." if count > SHOWN else ""
    return f"Worst-case accuracy of each true class; lines are 95 % Wilson intervals.{some}"
