"""The report of a finished run: figures with intervals, what they were measured with, and which split chose what."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from typing import Any

from robustkit.engine.arithmetic import RunArithmetic
from robustkit.engine.checkpoint import Progress
from robustkit.engine.data import RunData
from robustkit.evaluation.measurement import Measurement
from robustkit.evaluation.norms import figures, norm_report, norm_text
from robustkit.recipe.lock import plain
from robustkit.recipe.schema import Recipe

CAUTION = (
    "Robust accuracy is an upper bound: it holds for these attacks on these examples; a stronger one may lower it."
)


def final_report(
    recipe: Recipe,
    progress: Progress,
    epoch: int,
    data: RunData,
    measurements: Mapping[str, Measurement],
    arithmetic: RunArithmetic,
) -> dict[str, Any]:
    """The content of report.json. Only what stands under `cost` differs between two runs of one lock."""
    return {
        "name": recipe.name,
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "robustkit": importlib.metadata.version("robustkit-torch"),
        "computed_in": arithmetic.named(),
        "selection": _selection(recipe, progress, epoch),
        "aggregator": progress.metrics[epoch - 1]["global"].get("aggregator", {}),
        "examples": {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)},
        "attacks": {name: plain(attack) for name, attack in recipe.evaluation.final_attacks.items()},
        "manner": plain(recipe.evaluation.manner),
        "networks": {name: measurement.plain() for name, measurement in measurements.items()},
        **norm_report(recipe.evaluation.final_attacks, recipe.evaluation.manner, measurements),
        "caution": CAUTION,
        "cost": {
            "training_seconds": sum(line["seconds"] for line in progress.metrics),
            "evaluation_seconds": {name: dict(found.seconds) for name, found in measurements.items()},
            "evaluation_passes": {name: found.passes() for name, found in measurements.items()},
        },
    }


def saved_images(again: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """What a report says of saved images that were classified once more, by network; nothing where none were saved."""
    found = {name: figures for name, figures in again.items() if figures is not None}
    return {"saved_images": found} if found else {}


def _selection(recipe: Recipe, progress: Progress, epoch: int) -> dict[str, Any]:
    by = recipe.evaluation.select_by
    if by == "last":
        text = f"The weights are those of the last epoch, {epoch}: no split chose them."
        return {"by": "last", "split": None, "epoch": epoch, "text": text}
    text = (
        f"The weights are those of epoch {epoch}, chosen by the global learner's {by} accuracy on the validation split "
        f"({progress.selected_score:.4f}); the test split chose nothing."
    )
    return {"by": by, "split": "validation", "epoch": epoch, "accuracy": progress.selected_score, "text": text}


def report_json(report: Mapping[str, Any]) -> str:
    """report.json's text."""
    return json.dumps(report, indent=2) + "\n"


def percent(accuracy: Mapping[str, Any]) -> str:
    """`93.1 % (90.4-95.1)`: an accuracy with its interval."""
    low, high = accuracy["interval"]
    return f"{100 * accuracy['accuracy']:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def report_text(report: Mapping[str, Any]) -> str:
    """report.md: the same, to be read."""
    networks = {name: figures(report, name) for name in report["networks"]}
    columns = list(next(iter(networks.values())))
    rows = [[name, *(percent(found[column]) for column in columns)] for name, found in networks.items()]
    evaluation = sum(sum(parts.values()) for parts in report["cost"]["evaluation_seconds"].values())
    lines = [
        f"# {report['name']}, seed {report['seed']}",
        "",
        markdown_table(["network", *columns], rows),
        "",
        f"Accuracy on {report['examples']['test']:,} test examples with 95 % Wilson intervals. An example counts "
        "under an attack if it is classified right clean and attacked; in the worst case, under every attack.",
        *([norm_text(report)] if norm_text(report) else []),
        "",
        *_origin(report, evaluation),
        "",
        "Attacks:" if report["attacks"] else "No attack was tried: these figures say nothing about robustness.",
        "",
        *(f"- `{name}`: {_described(attack)}" for name, attack in report["attacks"].items()),
        "",
        report["caution"],
    ]
    return "\n".join(lines) + "\n"


def _origin(report: Mapping[str, Any], seconds: float) -> list[str]:
    """Where the networks come from and what they cost; `seconds` were spent on the evaluation."""
    if "weights" in report:
        files = [f"- `{name}`: {held['file']}, sha256 {held['sha256']}" for name, held in report["weights"].items()]
        return ["Weights:", "", *files, "", f"The evaluation took {seconds:.0f} s."]
    return [
        report["selection"]["text"],
        *(f"The aggregator measured on the validation split: {text}." for text in _found(report["aggregator"])),
        "",
        f"Trained on {report['examples']['train']:,} examples for {report['epochs']} epochs, "
        f"{report['examples']['validation']:,} held out for validation. "
        f"Training passes were computed in {report['computed_in']['training']} precision, training attacks in "
        f"{report['computed_in']['attack']}; these figures in full. "
        f"Training took {report['cost']['training_seconds']:.0f} s, the final evaluation {seconds:.0f} s.",
    ]


def markdown_table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, padded so that it can be read as it is."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    written = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]]
    rule = " | ".join("-" * width for width in widths)
    return "\n".join(f"| {line} |" for line in [written[0], rule, *written[1:]])


def _described(attack: Mapping[str, Any]) -> str:
    parts = [f"{key}={_brief(value)}" for key, value in attack.items() if key != "use" and value is not None]
    return f"{attack['use']}({', '.join(parts)})"


def _found(found: Mapping[str, Any]) -> Iterator[str]:
    """`shares natural 0.4, robust 0.6; score 0.9`, of what an aggregator found; nothing where it found nothing."""
    parts = []
    for name, value in found.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        figures = ", ".join(f"{key} {_brief(figure)}".strip() for key, figure in inner)
        parts.append(f"{name.replace('_', ' ')} {figures}")
    if parts:
        yield "; ".join(parts)


def _brief(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value["use"] if isinstance(value, Mapping) and "use" in value else str(value)
