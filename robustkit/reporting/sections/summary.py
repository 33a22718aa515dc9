"""What was found, in a few large figures, and what they do and do not say."""

from __future__ import annotations

from robustkit.reporting.captions import note
from robustkit.reporting.markup import Html, element, joined, paragraph
from robustkit.reporting.quantities import interval, points, radius
from robustkit.reporting.source import WORST, Source


def summary(source: Source) -> Html:
    """Tiles with the main network's figures, the sentence that defines them, and the caution."""
    found = source.networks[source.main]
    tiles = [_tile("Natural accuracy", f"{points(found['natural'].share)} %", interval(found["natural"].interval))]
    robust = source.robust(source.main)
    if robust is not None:
        part, accuracy = robust
        title = "Worst-case accuracy" if part == WORST else "Robust accuracy"
        under = f"over {len(source.attacks)} attacks" if part == WORST else f"under {part}"
        tiles.append(_tile(title, f"{points(accuracy.share)} %", f"{interval(accuracy.interval)} {under}"))
    budgets = budgets_of(source)
    if budgets:
        tiles.append(_tile("Perturbations", budgets[0], "; ".join(budgets[1:]) or "every final attack"))
    tiles.append(_tile("Test examples", f"{found['natural'].examples:,}", "95 % Wilson intervals"))
    tiles.append(_checks_tile(source))
    caution = str(source.report.get("caution", ""))
    if robust is None:
        caution = "No attack was tried: these figures say nothing about robustness."
    return joined(
        element("div", *tiles, class_="tiles"),
        paragraph(_who(source), " ", definition(source)),
        note(paragraph(caution)) if caution else "",
    )


def _tile(name: str, figure: str, detail: str, kind: str = "") -> Html:
    parts = element("div", name, class_="name"), element("div", figure, class_="figure")
    return element("div", *parts, element("div", detail, class_="detail"), class_=f"tile {kind}".strip())


def _checks_tile(source: Source) -> Html:
    if source.diagnosis is None:
        return _tile("Checks", "not run", "robustkit doctor makes them")
    counts = dict.fromkeys(("fail", "warn", "ok"), 0)
    for check in source.diagnosis["checks"]:
        if check["status"] in counts:
            counts[check["status"]] += 1
    worst = next((status for status, count in counts.items() if count), "ok")
    words = {"fail": f"{counts['fail']} failed", "warn": f"{counts['warn']} to look at", "ok": "all passed"}
    return _tile("Checks", words[worst], f"{counts['ok']} of {sum(counts.values())} passed", f"is-{worst}")


def budgets_of(source: Source) -> list[str]:
    """The distinct budgets of the final attacks, as `Linf ≤ 8/255`."""
    budgets = [budget for held in source.budgets.values() for budget in held]
    return list(dict.fromkeys(f"{budget.norm} ≤ {radius(budget.eps)}" for budget in budgets))


def _who(source: Source) -> Html:
    several = len(source.report["networks"]) > 1
    whose = {"global": "the global learner"}.get(source.main, f"the network {source.main}")
    others = "; the other networks are in the table below" if several else ""
    return joined("These are the figures of ", element("b", whose), f" on the test split{others}.")


def definition(source: Source) -> str:
    """What it means to count, under an attack and in the worst case."""
    if not source.attacks:
        return "An example counts if it is classified right; no attack was tried."
    if source.dropped:
        under = (
            "Broken examples were not attacked again: an example counts under an attack if it is classified right "
            "clean, under that attack, and under all before it"
        )
    else:
        under = "An example counts under an attack if it is classified right both clean and attacked"
    return f"{under}; in the worst case, if it is under every attack."
