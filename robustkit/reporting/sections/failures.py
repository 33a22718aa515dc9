"""What breaks: by which attack, into which class, and how far the attacks had to go."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from robustkit.evaluation.outcome import Record
from robustkit.reporting.captions import Captions, Section
from robustkit.reporting.drawing.confusion_plot import draw_confusion
from robustkit.reporting.drawing.share_plot import STANDING, WRONG, draw_shares
from robustkit.reporting.drawing.survivor_plot import draw_margins
from robustkit.reporting.markup import Html, code, joined
from robustkit.reporting.plots import plot
from robustkit.reporting.quantities import NONE
from robustkit.reporting.sections.classes import SHOWN, standing
from robustkit.reporting.source import Source


def failures(source: Source, captions: Captions) -> Section:
    """Shares of the attacks, confusions, norms and losses; of the main network where only one can be shown."""
    record = source.records[source.main]
    shares = captions.figure(
        "What became of the test examples of each network: wrong when clean, broken first by an attack (in their "
        "order), or right under all of them.",
        plot(
            draw_shares({name: fates(found) for name, found in source.records.items()}), "What became of the examples"
        ),
    )
    parts = [_attacks(source, record, captions), shares]
    if bool((record.broken_by >= 0).any()):
        parts.append(_confusion(source, record, captions))
    if bool(torch.isfinite(record.worst.l2).any()):
        parts.append(_margins(source, record, captions))
    return Section("failures", "What breaks", joined(*parts))


def fates(record: Record) -> dict[str, int]:
    """How many examples are wrong when clean, are first broken by each attack, and stand."""
    natural = record.outcomes["natural"].prediction == record.labels
    broken = {name: int((natural & (record.broken_by == place)).sum()) for place, name in enumerate(record.attacks)}
    return {WRONG: int((~natural).sum()), **broken, STANDING: int(standing(record).sum())}


def _attacks(source: Source, record: Record, captions: Captions) -> Html:
    natural = record.outcomes["natural"].prediction == record.labels
    broken = {name: natural & _breaks(record, name) for name in record.attacks}
    by_how_many = sum(held.long() for held in broken.values()) if broken else torch.zeros_like(record.labels)
    first = fates(record)
    rows = []
    for name, held in broken.items():
        alone = NONE if source.dropped else f"{int((held & (by_how_many == 1)).sum()):,}"
        median = _median(record.outcomes[name].l2[held])
        rows.append([code(name), f"{int(held.sum()):,}", f"{first[name]:,}", alone, median])
    dropped = " Examples that an earlier attack broke were not tried." if source.dropped else ""
    caption = (
        f"How many of the {int(natural.sum()):,} examples that {source.main} gets right when clean each attack breaks, "
        f"breaks first, and breaks alone of all; and the median L2 norm of the perturbations that do.{dropped}"
    )
    return captions.table(caption, ["attack", "breaks", "first to break", "alone breaks", "median L2"], rows)


def _breaks(record: Record, attack: str) -> Tensor:
    prediction = record.outcomes[attack].prediction
    return (prediction >= 0) & (prediction != record.labels)


def _median(values: Tensor) -> str:
    held = values[torch.isfinite(values)]
    return f"{float(held.median()):.3f}" if len(held) else NONE


def _confusion(source: Source, record: Record, captions: Captions) -> Html:
    broken = record.broken_by >= 0
    pairs = torch.stack([record.labels[broken], record.worst.prediction[broken]], 1)
    numbers, counts = torch.unique(pairs.flatten(), return_counts=True)
    chosen = numbers[counts.argsort(descending=True, stable=True)[:SHOWN]].sort().values
    held = torch.isin(pairs, chosen).all(1)
    places = torch.searchsorted(chosen, pairs[held])
    matrix = torch.bincount(places[:, 0] * len(chosen) + places[:, 1], minlength=len(chosen) ** 2)
    names = [source.class_name(number) for number in chosen.tolist()]
    drawn = draw_confusion(matrix.reshape(len(chosen), len(chosen)), names)
    some = f" Of {len(numbers)} classes, the {SHOWN} that are most often involved." if len(numbers) > SHOWN else ""
    caption = (
        f"True class and the class predicted on the worst-case image, over the {int(broken.sum()):,} examples of "
        f"{source.main} that an attack breaks.{some}"
    )
    return captions.figure(caption, plot(drawn, "Confusion of broken examples"))


def _margins(source: Source, record: Record, captions: Captions) -> Html:
    attacked = torch.isfinite(record.worst.l2)
    broken, stand = attacked & (record.broken_by >= 0), attacked & standing(record)
    budgets = {(budget.norm, budget.eps) for held in source.budgets.values() for budget in held}
    eps = next((radius for norm, radius in budgets if norm == "L2"), None) if len(budgets) == 1 else None
    losses = record.worst.loss[stand]
    drawn = draw_margins(record.worst.l2[broken], record.worst.l2[stand], losses, eps=eps)
    caption = f"L2 norms of the worst-case perturbations of {source.main}; no example stands."
    if len(losses):
        caption = (
            f"{source.main}. Left: L2 norms of the worst-case perturbations. Right: the highest cross-entropy that any "
            f"attack reached on the {len(losses):,} examples that stand, in nats; below {math.log(2):.2f} the true "
            "class still has more than half of the probability."
        )
    return captions.figure(caption, plot(drawn, "Norms and losses"))
