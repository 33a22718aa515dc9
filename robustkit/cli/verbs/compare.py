"""`robustkit compare`: finished runs in one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from robustkit.cli.output import json_option, print_json, table, warn

if TYPE_CHECKING:
    from robustkit.evaluation.paired import Pair


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--network", metavar="NAME", default="global", show_default=True, help="global, a learner's name, or all."
)
@click.option("--flips", is_flag=True, help="Of two runs, list the test examples that only one of them gets right.")
@click.option("--markdown", is_flag=True, help="Print Markdown tables.")
@json_option
def command(runs: tuple[Path, ...], network: str, flips: bool, markdown: bool, as_json: bool) -> None:
    """Compare finished runs.

    RUN is a results folder of `run` or `evaluate`. Runs of one recipe with several seeds become one row, mean ± sample
    standard deviation over the seeds; single runs have their 95 % interval over the test examples. Two runs are also
    compared example by example, which tells smaller differences from noise (McNemar's exact test).
    """
    from robustkit.engine.report import CAUTION, markdown_table
    from robustkit.errors import InputError
    from robustkit.evaluation.comparison import compare
    from robustkit.reporting.finished import read_finished

    if flips and len(runs) != 2:
        raise InputError(f"--flips: expected two runs, got {len(runs)}.")
    comparison = compare([read_finished(path) for path in runs], network)
    for text in comparison.warnings:
        warn(text)
    pair = _paired(runs[0], runs[1], network) if len(runs) == 2 and network != "all" else None
    if as_json:
        found = {"paired": [difference.plain() for difference in pair.differences]} if pair else {}
        return print_json({**comparison.plain(), **found})
    lay_out = markdown_table if markdown else table
    click.echo(lay_out(*comparison.cells()))
    if pair:
        click.echo(f"\nsecond minus first, on the {pair.differences[0].examples:,} examples that both have")
        click.echo(lay_out(*pair.cells()))
        if flips:
            click.echo(f"\n{lay_out(*pair.flips())}")
    if not markdown:
        click.echo(f"\n{CAUTION}")
    return None


def _paired(first: Path, second: Path, network: str) -> Pair | None:
    """Two runs, example by example; None, with a warning, where one of them kept no examples."""
    from robustkit.engine.folder import RunFolder
    from robustkit.evaluation.paired import Pair
    from robustkit.evaluation.store import read_record

    files = [RunFolder(path).examples(network) for path in (first, second)]
    for path, file in zip((first, second), files, strict=True):
        if not file.is_file():
            warn(f"{path} kept no examples of {network}; `robustkit evaluate {path} --output FOLDER` does.")
            return None
    return Pair(*(read_record(file)[0] for file in files))
