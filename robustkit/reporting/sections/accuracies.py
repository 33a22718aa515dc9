"""Every accuracy of every network."""

from __future__ import annotations

from robustkit.evaluation.norms import norm_text
from robustkit.reporting.captions import Captions, Section
from robustkit.reporting.drawing.accuracy_plot import draw_accuracies
from robustkit.reporting.markup import Html, joined
from robustkit.reporting.plots import plot
from robustkit.reporting.quantities import NONE, accuracy_of, with_interval
from robustkit.reporting.sections.summary import definition
from robustkit.reporting.source import Source


def accuracies(source: Source, captions: Captions) -> Section:
    """The table that a paper takes over, and the same as bars."""
    networks = source.figures
    parts = list(dict.fromkeys(part for found in networks.values() for part in found))
    rows = [_row(source, part) for part in parts]
    examples = next(iter(source.networks.values()))["natural"].examples
    caption = (
        f"Accuracy in percent on {examples:,} test examples, with 95 % Wilson score intervals over the examples. "
        f"{definition(source)}"
    )
    if len(source.attacks) > 1:
        caption += " The lowest figure of each network under a single attack is bold."
    caption += _norms(source)
    table = captions.table(caption, ["accuracy", *networks], rows)
    drawn = plot(draw_accuracies(networks), "Accuracies with intervals")
    text = "The figures of the table; lines are their 95 % Wilson intervals."
    return Section("accuracy", "Accuracy", joined(table, captions.figure(text, drawn), _again(source, captions)))


def _norms(source: Source) -> str:
    """What figures by norm are, or why there are none."""
    text = norm_text(source.report)
    if "norms" in source.report:
        text += (
            " The average's interval is that of one yes or no an example, which varies no less than its mean over the "
            "norms."
        )
    return f" {text}" if text else ""


def _row(source: Source, part: str) -> list[str]:
    cells: list[str] = [part]
    for found in source.figures.values():
        single = [accuracy.share for name, accuracy in found.items() if name in source.attacks]
        lowest = part in source.attacks and len(single) > 1 and part in found and found[part].share == min(single)
        cells.append(with_interval(found[part], strong=lowest) if part in found else NONE)
    return cells


def _again(source: Source, captions: Captions) -> Html:
    """Of saved images: what the networks say of them when they are read from the file."""
    saved = source.report.get("saved_images")
    if not saved or not source.attacks:
        return joined()
    rows = [
        [name, *(with_interval(accuracy_of(found[kind])) for kind in ("float32", "8-bit"))]
        for name, found in saved.items()
    ]
    caption = (
        "The saved worst-case images, read from their file and classified once more: accuracy in percent with 95 % "
        "Wilson intervals, as they are and rounded to 8 bits a channel. Rounding moves a pixel by up to 1/510, in "
        "either direction: images that lie close behind a boundary may come back."
    )
    return joined(captions.table(caption, ["network", "as float32", "rounded to 8 bits"], rows))
