"""The page: one HTML file that needs nothing from outside."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from robustkit.errors import InputError, did_you_mean, known
from robustkit.evaluation.comparison import ALL
from robustkit.plugin.registry import Registry
from robustkit.reporting.captions import Captions, Section
from robustkit.reporting.markup import Html, element, joined
from robustkit.reporting.pictures import CleanImages, clean_images
from robustkit.reporting.sections import comparison
from robustkit.reporting.sections.accuracies import accuracies
from robustkit.reporting.sections.checks import checks
from robustkit.reporting.sections.classes import classes
from robustkit.reporting.sections.costs import costs
from robustkit.reporting.sections.curves import curves, overlaid
from robustkit.reporting.sections.failures import failures
from robustkit.reporting.sections.gallery import gallery
from robustkit.reporting.sections.plane import plane
from robustkit.reporting.sections.summary import summary
from robustkit.reporting.sections.surroundings import repeating, surroundings
from robustkit.reporting.sections.threats import shared_threats, threats
from robustkit.reporting.sections.training import training
from robustkit.reporting.source import Source

MARK = '<meta name="generator" content="robustkit '
"""By this, near a page's beginning, a file is known to be one of ours."""


def report_page(source: Source, registry: Registry) -> str:
    """The page of one run or evaluation; the same files give the same page."""
    captions = Captions()
    sections = [accuracies(source, captions), threats(source, captions), checks(source, captions)]
    if source.main in source.records and source.attacks:
        clean = _clean(source, registry)
        sections += [gallery(source, clean, captions), failures(source, captions), classes(source, captions)]
    elif source.attacks:
        sections.append(gallery(source, CleanImages(None), captions))
    plotted = plane([source], captions)
    sections += [plotted] if plotted else []
    sections += [
        curves(source, captions),
        training(source, captions),
        costs(source, captions),
        surroundings(source),
        repeating([source]),
    ]
    name, kind = str(source.report["name"]), "run" if source.is_run else "evaluation"
    line = f"Report of the {kind} {source.label}, seed {source.report['seed']}"
    return _page(name, line, summary(source), sections)


def _clean(source: Source, registry: Registry) -> CleanImages:
    """The data set is loaded only where there are images to lay beside its own."""
    if all(record.worst.images is None for record in source.records.values()):
        return CleanImages(None)
    return clean_images(source.recipe, registry)


def comparison_page(sources: Sequence[Source], network: str = "global") -> str:
    """The page of several runs or evaluations.

    Raises:
        InputError: one of them lacks the network, or several were asked for.
    """
    if network == ALL:
        raise InputError("a page compares one network of each run: name it, --network NAME.")
    for source in sources:
        if network not in source.networks:
            lacking = f"{source.label}: no network {network!r}.{did_you_mean(network, source.networks)}"
            raise InputError(f"{lacking} {known(source.networks)}")
    found, captions = comparison.Compared(list(sources), network), Captions()
    sections = [comparison.means(found, captions), comparison.pairs(found, captions), shared_threats(sources)]
    plotted = plane(sources, captions)
    sections += [plotted] if plotted else []
    by_class = comparison.by_classes(found, captions)
    sections += [by_class] if by_class else []
    lines = overlaid(found.sources, captions)
    sections += [Section("curves", "Curves", joined(*lines))] if lines else []
    sections += [comparison.recipes(found), comparison.costs(found, captions), repeating(found.sources)]
    names = list(dict.fromkeys(str(source.report["name"]) for source in sources))
    line = f"Comparison of {', '.join(source.label for source in sources)}"
    return _page(", ".join(names), line, comparison.cautions(found), sections)


def _page(title: str, line: str, top: Html, sections: Sequence[Section]) -> str:
    version = importlib.metadata.version("robustkit-torch")
    style = Html((files("robustkit.reporting") / "page.css").read_text(encoding="utf-8"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="generator", content=f"robustkit {version}"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title}: robustness report"),
        element("style", style),
    )
    kind = element("div", f"Robustness report, robustkit {version}", class_="kind")
    links = [
        element("li", element("a", f"{number} {section.title}", href=f"#{section.name}"))
        for number, section in enumerate(sections, 1)
    ]
    header = element(
        "header",
        kind,
        element("h1", title),
        element("div", line, class_="small"),
        element("nav", element("ol", *links)),
    )
    written = [_section(number, section) for number, section in enumerate(sections, 1)]
    foot = element(
        "footer", f"Written by robustkit {version} from what lies in the folders named above. It loads nothing."
    )
    body = element("body", element("main", header, top, *written, foot))
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _section(number: int, section: Section) -> Html:
    title = element("h2", element("span", str(number), class_="count"), section.title)
    return element("section", title, section.body, id=section.name)


def is_page(path: Path) -> bool:
    """Whether a file is a page that robustkit wrote: it says so in its first lines."""
    with path.open("rb") as file:
        return MARK.encode() in file.read(2048)
