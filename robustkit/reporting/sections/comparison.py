"""Several runs beside each other: means over seeds, and differences example by example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure

from robustkit.engine.report import CAUTION
from robustkit.errors import InputError
from robustkit.evaluation.comparison import Comparison, compare
from robustkit.evaluation.comparison import Figure as Mean
from robustkit.evaluation.measurement import Accuracy, Share
from robustkit.evaluation.paired import SIGNIFICANCE, Difference, paired
from robustkit.recipe.lock import differences
from robustkit.reporting.captions import Captions, Section, bullets, folded, note
from robustkit.reporting.drawing.accuracy_plot import draw_accuracies
from robustkit.reporting.drawing.class_plot import draw_classes
from robustkit.reporting.markup import Html, code, element, joined, paragraph
from robustkit.reporting.plots import plot
from robustkit.reporting.quantities import NONE, interval, p_value, points
from robustkit.reporting.sections.classes import SHOWN, by_class, standing
from robustkit.reporting.source import Source

_MINUS = "−"


@dataclass(frozen=True)
class Compared:
    """The sources of a comparison, and the network of each that is compared."""

    sources: list[Source]
    network: str = "global"

    @property
    def table(self) -> Comparison:
        """Means over seeds, and warnings."""
        return compare([source.compared for source in self.sources], self.network)

    @property
    def accuracies(self) -> dict[str, dict[str, Share]]:
        """Of the compared network, by folder."""
        return {source.label: source.figures[self.network] for source in self.sources}


def cautions(found: Compared) -> Html:
    """What does not compare, and what no figure says."""
    warnings = found.table.warnings
    warned = note(paragraph("Not everything here compares:"), bullets(warnings), kind="warning") if warnings else ""
    return joined(warned, note(paragraph(CAUTION)))


def means(found: Compared, captions: Captions) -> Section:
    """The table of means, with bars of every run."""
    comparison = found.table
    columns = comparison.columns()
    rows = [
        [row.name, ", ".join(map(str, row.seeds)), *(_mean(row.figures.get(part)) for part in columns)]
        for row in comparison.rows
    ]
    caption = (
        f"Accuracy of the network {found.network} on the test split in percent. Several seeds of one recipe: mean ± "
        "sample standard deviation over the seeds. A single run: its 95 % Wilson interval over the test examples, "
        "which does not speak of other seeds."
    )
    table = captions.table(caption, ["recipe", "seeds", *columns], rows, words=(0, 1))
    text = "Every run by itself; lines are 95 % Wilson intervals over the test examples."
    figure = captions.figure(text, plot(draw_accuracies(found.accuracies), "Accuracies of all runs"))
    return Section("accuracy", "Accuracy", joined(table, figure))


def _mean(figure: Mean | None) -> Html | str:
    if figure is None:
        return NONE
    detail = interval(figure.interval) if figure.interval else f"± {points(figure.deviation or 0.0)}"
    return joined(points(figure.mean), " ", element("span", detail, class_="interval"))


def pairs(found: Compared, captions: Captions) -> Section:
    """The first run against each other one, on the examples that both have."""
    first, *others = found.sources
    parts: list[Html] = []
    rows: list[list[str]] = []
    for other in others:
        try:
            rows += _rows(found.network, first, other)
        except InputError as error:
            parts.append(note(paragraph(f"{first.label} and {other.label}: {error}"), kind="warning"))
    if rows:
        caption = (
            f"Each run against {first.label}, example by example, on the n examples that both have: the difference of "
            "accuracy in percentage points with its 95 % interval (Wald, paired); how many only the first gets right "
            "(lost) and how many only the other (won); and the p-value of McNemar's exact two-sided test. The verdict "
            f"is at {SIGNIFICANCE:g} for each of the {len(rows)} tests by itself; with Bonferroni's correction for all "
            f"of them it would be at {SIGNIFICANCE / len(rows):.2g}. It speaks of these networks, not of other seeds."
        )
        head = ["run", "accuracy", "n", "difference", "lost", "won", "p", "verdict"]
        parts.append(captions.table(caption, head, rows, words=(0, 1, 7)))
    return Section("pairs", "Example by example", joined(*parts))


def _rows(network: str, first: Source, other: Source) -> Iterator[list[str]]:
    for source in (first, other):
        if network not in source.records:
            raise InputError(f"{source.label} does not say what became of each example, so nothing is paired.")
    for difference in paired(first.records[network], other.records[network]):
        yield [other.label, difference.part, f"{difference.examples:,}", *_figures(difference, first, other)]


def _figures(difference: Difference, first: Source, other: Source) -> list[str]:
    low, high = difference.interval
    ends = element("span", f"[{_signed(low)}, {_signed(high)}]", class_="interval")
    verdict: Html | str = element("span", "within noise", class_="small")
    if not difference.is_noise:
        better = other if difference.points > 0 else first
        verdict = joined(element("b", better.label), " is better")
    flips = [str(len(difference.only_first)), str(len(difference.only_second))]
    return [joined(_signed(difference.points), " ", ends), *flips, p_value(difference.p_value), verdict]


def _signed(value: float) -> str:
    text = f"{abs(value):.1f}"
    return f"{'+' if value > 0 else _MINUS}{text}" if float(text) else text


def by_classes(found: Compared, captions: Captions) -> Section | None:
    """Worst-case accuracy of each class in every run; None where runs have other classes, or kept no examples."""
    held = {source.label: source.records.get(found.network) for source in found.sources}
    records = {label: record for label, record in held.items() if record is not None}
    names = {tuple(source.class_names or ()) for source in found.sources}
    if len(records) < len(found.sources) or len(names) > 1:
        return None
    worst = {label: by_class(standing(record), record.labels) for label, record in records.items()}
    return Section(
        "classes", "Classes", captions.figure(_caption(worst), plot(_drawn(found, worst), "Worst case by class"))
    )


def _caption(worst: dict[str, dict[int, Accuracy]]) -> str:
    count = len({number for shares in worst.values() for number in shares})
    some = f" Of {count} classes, the {SHOWN} that fare worst in any run." if count > SHOWN else ""
    return f"Worst-case accuracy of each true class; lines are 95 % Wilson intervals over the class's examples.{some}"


def _drawn(found: Compared, worst: dict[str, dict[int, Accuracy]]) -> Figure:
    lowest: dict[int, float] = {}
    for shares in worst.values():
        for number, accuracy in shares.items():
            lowest[number] = min(accuracy.share, lowest.get(number, 1.0))
    numbers = sorted(sorted(lowest, key=lambda number: lowest[number])[:SHOWN])
    names = [found.sources[0].class_name(number) for number in numbers]
    series = {label: [shares.get(number) for number in numbers] for label, shares in worst.items()}
    return draw_classes(names, series, "worst-case accuracy")


def recipes(found: Compared) -> Section:
    """In what each run's recipe differs from the first's; below `lock`, what it ran on."""
    first, *others = found.sources
    parts = []
    for other in others:
        lines = [_between(text) for text in differences(first.recipe, other.recipe)]
        listed = bullets(code(line) for line in lines) if lines else paragraph("In nothing.")
        parts.append(folded(f"{other.label} differs from {first.label} in {len(lines)} settings", listed))
    return Section("recipes", "In what the recipes differ", joined(*parts))


def _between(text: str) -> str:
    """`seed: 1 then, 2 now` as `seed: 1 → 2`."""
    before, _, now = text.rpartition(" then, ")
    return f"{before} → {now.removesuffix(' now')}"


def costs(found: Compared, captions: Captions) -> Section:
    """Seconds and passes of each run."""
    rows = []
    for source in found.sources:
        cost = source.report["cost"]
        trained = cost.get("training_seconds")
        spent = sum(sum(parts.values()) for parts in cost.get("evaluation_seconds", {}).values())
        counted = [
            passes
            for parts in cost.get("evaluation_passes", {}).values()
            for part, passes in parts.items()
            if "/" not in part
        ]
        forward, backward = (f"{sum(each[key] for each in counted):,}" for key in ("forwards", "backwards"))
        rows.append([source.label, NONE if trained is None else f"{trained:,.1f}", f"{spent:,.1f}", forward, backward])
    caption = (
        "Seconds of training and of the whole final evaluation, and the images that the latter sent through networks "
        "(forward) and led back to their pixels (backward)."
    )
    head = ["run", "training (s)", "evaluation (s)", "forward", "backward"]
    return Section("cost", "Cost", captions.table(caption, head, rows))
