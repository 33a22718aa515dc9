"""Where the networks come from: how they were trained, or which files were evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustkit.reporting.captions import Captions, Section, folded
from robustkit.reporting.drawing.training_plot import draw_training
from robustkit.reporting.markup import Html, code, element, joined, paragraph
from robustkit.reporting.plots import plot
from robustkit.reporting.sections.threats import chips
from robustkit.reporting.source import Source

_PARTS = ("architecture", "normalization", "augmentation", "learners", "aggregator", "dataset")


def training(source: Source, captions: Captions) -> Section:
    """The learners and the curve of a run; the weights of an evaluation."""
    if not source.is_run:
        return Section("networks", "Networks", _weights(source, captions))
    parts = [paragraph(_sentence(source.report, source.recipe))]
    if source.metrics:
        text = (
            "Training, epoch by epoch. Left: each learner's own loss; different strategies have different losses, so "
            f"their heights do not compare. Right: accuracy on {source.report['examples'].get('validation', 0):,} "
            "validation examples."
        )
        parts.append(captions.figure(text, plot(draw_training(source.metrics), "Training curves")))
    return Section("training", "Training", joined(*parts, settings(source.recipe)))


def _sentence(report: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    selection = report.get("selection", {}).get("text", "")
    counts, said = report["examples"], report.get("computed_in", {})
    text = f"Trained on {counts.get('train', 0):,} examples for {report.get('epochs', recipe.get('epochs'))} epochs"
    text += f" in batches of {recipe.get('batch_size')}, {counts.get('validation', 0):,} held out for validation."
    if "training" in said and "attack" in said:
        text += f" Training passes were computed in {said['training']} precision, training attacks in {said['attack']}."
    return f"{text} {selection}"


def settings(recipe: Mapping[str, Any]) -> Html:
    """Every setting of what the networks were made of."""
    lines = []
    for name in _PARTS:
        value = recipe.get(name)
        held = value if name == "learners" and isinstance(value, Mapping) else {name: value}
        for key, part in held.items():
            title = f"learner {key}" if name == "learners" else key
            content = chips(part if isinstance(part, Mapping) else {"": part}) if part else [element("span", "none")]
            lines.append(
                element("div", element("b", title), " ", element("span", *content, class_="chips"), class_="settings")
            )
    return folded("Every setting of data, networks, learners and aggregator", *lines)


def _weights(source: Source, captions: Captions) -> Html:
    weights = source.report.get("weights", {})
    rows = [[name, code(str(held.get("file"))), code(str(held.get("sha256")))] for name, held in weights.items()]
    table = captions.table(
        "The weights files that were evaluated.", ["network", "file", "SHA-256"], rows, words=(0, 1, 2)
    )
    text = "These networks were evaluated, not trained, here; what is known of their training is in the recipe."
    return joined(paragraph(text), table, settings(source.recipe))
