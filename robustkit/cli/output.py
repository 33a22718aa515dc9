"""How things are printed: warnings, JSON, tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click


def warn(text: str) -> None:
    """Print a warning to stderr."""
    click.echo(f"{click.style('warning:', fg='yellow', bold=True)} {text}", err=True)


def print_json(value: Any) -> None:
    """Print one JSON value to stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns under a bold head; click takes the boldness away where the output is no terminal."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    first, *others = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]
    )
    return "\n".join([click.style(first, bold=True), *others])


def accuracy_rows(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: an accuracy a row, as there may be a dozen attacks, and a network a column."""
    from robustkit.engine.report import percent
    from robustkit.evaluation.norms import figures

    networks = {name: figures(report, name) for name in report["networks"]}
    parts = list(dict.fromkeys(part for found in networks.values() for part in found))
    rows = [[part, *(percent(found[part]) for found in networks.values())] for part in parts]
    return ["accuracy", *networks], rows


def echo_norms(report: Mapping[str, Any]) -> None:
    """Where attacks are of several norms, say what the figures by norm are, or why there are none."""
    from robustkit.evaluation.norms import norm_text

    text = norm_text(report)
    if text:
        click.echo(text)
