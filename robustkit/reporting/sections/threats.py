"""The threat model: what the attacker may do, and every setting of every attack that was tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from robustkit.evaluation.outcome import Outcome
from robustkit.reporting.captions import Captions, Section
from robustkit.reporting.markup import Html, code, element, joined, paragraph
from robustkit.reporting.quantities import NONE, number, radius
from robustkit.reporting.source import Source


def threats(source: Source, captions: Captions) -> Section:
    """A table of attacks with budgets, as set and as measured, and the settings of each."""
    if not source.attacks:
        text = paragraph("No attack was tried.")
        return Section("threat", "Threat model", text)
    held = f" The largest perturbations are as measured, on {source.main}." if source.records else ""
    caption = (
        "The final attacks, in the order in which they were tried. Perturbations are of images in [0, 1], and attacked "
        f"images stay inside it.{held}"
    )
    head = ["attack", "method", "norm", "eps", "largest Linf", "largest L2"]
    rows = [_row(source, name, attack) for name, attack in source.attacks.items()]
    table = captions.table(caption, head, rows, words=(0, 1, 2))
    lists = [_settings(name, attack) for name, attack in source.attacks.items()]
    manner = source.report.get("manner", {})
    lists += [_settings("manner", manner)] if manner else []
    return Section("threat", "Threat model", joined(table, element("h3", "Every setting"), *lists))


def _row(source: Source, name: str, attack: Mapping[str, Any]) -> list[str]:
    budgets = source.budgets.get(name, ())
    norm = " or ".join(budget.norm for budget in budgets) or NONE
    given = " or ".join(radius(budget.eps) for budget in budgets) or NONE
    record = source.records.get(source.main)
    linf, l2 = largest(record.outcomes[name]) if record else (NONE, NONE)
    return [code(name), str(attack.get("use")), norm, given, linf, l2]


def largest(outcome: Outcome) -> tuple[str, str]:
    """The largest Linf and L2 norm of an attack's perturbations; a dash each where nothing was attacked."""
    found = []
    for norms in (outcome.linf, outcome.l2):
        held = norms[torch.isfinite(norms)]
        found.append(f"{float(held.max()):.4f}" if len(held) else NONE)
    return found[0], found[1]


def shared_threats(sources: Sequence[Source]) -> Section:
    """The settings of all attacks of several sources, each once; where they differ, whose they are."""
    lines = []
    for name in dict.fromkeys(name for source in sources for name in source.attacks):
        found = [(source.label, source.attacks[name]) for source in sources if name in source.attacks]
        kinds = [attack for place, (_, attack) in enumerate(found) if attack not in [held for _, held in found[:place]]]
        for attack in kinds:
            labels = [label for label, held in found if held == attack]
            everywhere = len(labels) == len(sources)
            lines.append(_settings(name, attack, "" if everywhere else f"in {', '.join(labels)}: "))
    text = (
        "Every setting of the final attacks. Perturbations are of images in [0, 1], and attacked images stay inside it."
    )
    return Section("threat", "Threat model", joined(paragraph(text), *lines))


def _settings(name: str, attack: Mapping[str, Any], where: str = "") -> Html:
    use = element("b", name)
    return element("div", use, " ", where, element("span", *chips(attack), class_="chips"), class_="settings")


def chips(settings: Mapping[str, Any]) -> Iterator[Html]:
    """Every setting as a small pair of its dotted name and its value."""
    for key, value in flat(settings):
        yield element("span", element("span", key, class_="key"), " ", value, class_="chip")
        yield joined(" ")


def flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """A tree of plain data as dotted names and values; `use` stands for what it is in."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            inner = f"{path}.{key}" if path else str(key)
            yield from flat(item, path if key == "use" and path else inner)
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for place, item in enumerate(value):
            yield from flat(item, f"{path}[{place}]")
    elif isinstance(value, list | Mapping):
        yield path, ", ".join(number(item) for item in value) or "none"
    else:
        yield path, number(value)
