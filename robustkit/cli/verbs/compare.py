"""`robustkit compare`: finished runs in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from robustkit.cli.output import json_option, print_json, table, warn

if TYPE_CHECKING:
    from robustkit.evaluation.comparison import ComparedRun


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--network", metavar="NAME", default="global", show_default=True, help="global, a learner's name, or all."
)
@click.option("--markdown", is_flag=True, help="Print a Markdown table.")
@json_option
def command(runs: tuple[Path, ...], network: str, markdown: bool, as_json: bool) -> None:
    """Compare finished runs.

    RUN is a results folder. Runs of one recipe with several seeds become one row, mean ± sample standard deviation over
    the seeds; single runs have their 95 % interval over the test examples.
    """
    from robustkit.engine.report import CAUTION, markdown_table
    from robustkit.evaluation.comparison import compare

    comparison = compare([_read(path) for path in runs], network)
    for text in comparison.warnings:
        warn(text)
    if as_json:
        return print_json(comparison.plain())
    head, rows = comparison.cells()
    click.echo(markdown_table(head, rows) if markdown else table(head, rows))
    if not markdown:
        click.echo(f"\n{CAUTION}")
    return None


def _read(path: Path) -> ComparedRun:
    """A finished run's report and recipe.

    Raises:
        WeightsError: it is no results folder, or its run is not finished; says how to finish it.
    """
    from robustkit.engine.folder import RunFolder
    from robustkit.errors import WeightsError
    from robustkit.evaluation.comparison import ComparedRun
    from robustkit.recipe.document import parse

    folder = RunFolder(path)
    if not folder.lock.is_file():
        raise WeightsError(f"{path}: expected a results folder, it has no {folder.lock.name}.")
    document = parse(folder.lock.read_text(encoding="utf-8"), str(folder.lock))
    if document.problems or not isinstance(document.data, dict):
        raise WeightsError("\n".join(map(document.show, document.problems)) or f"{folder.lock}: holds no recipe.")
    if not folder.report.is_file():
        done = len(folder.read_metrics()) if folder.metrics.is_file() else 0
        raise WeightsError(
            f"{path}: not finished, {done} of {document.data['epochs']} epochs. Go on with it: "
            f"robustkit run {path} --resume"
        )
    return ComparedRun(str(path), folder.read_json(folder.report), document.data)
