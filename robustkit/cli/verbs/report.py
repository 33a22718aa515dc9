"""`robustkit report`: a page that can be attached to a paper."""

from __future__ import annotations

from pathlib import Path

import click

from robustkit.cli.plugin_options import PluginChoice, plugin_options


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    metavar="FILE.html",
    type=click.Path(path_type=Path),
    help="Where to write; default: RUN/report.html, for several runs ./comparison.html.",
)
@click.option("--open", "opened", is_flag=True, help="Show the page in the browser.")
@click.option(
    "--doctor",
    metavar="FILE.json",
    type=click.Path(path_type=Path),
    help="What `robustkit doctor --output` wrote; default: RUN/doctor.json, where it is there.",
)
@click.option(
    "--network", metavar="NAME", default="global", show_default=True, help="Of several runs, which to compare."
)
@click.option("--force", is_flag=True, help="Replace the file even if robustkit did not write it.")
@plugin_options
def command(
    runs: tuple[Path, ...],
    output: Path | None,
    opened: bool,
    doctor: Path | None,
    network: str,
    force: bool,
    choice: PluginChoice,
) -> None:
    """Write one HTML page about a run, or about several.

    RUN is a results folder of `run` or `evaluate`. The page needs nothing but itself: tables with intervals, plots,
    images, the attacks' settings, the environment, and the commands that repeat it. Curves that lie in RUN/curves are
    in it, too. A page of several runs compares them.
    """
    from robustkit.errors import InputError
    from robustkit.models.files import write_text
    from robustkit.reporting.page import comparison_page, report_page
    from robustkit.reporting.source import read_source

    if doctor is not None and len(runs) > 1:
        raise InputError(f"--doctor: speaks of one run, got {len(runs)}.")
    if len(set(runs)) < len(runs):
        raise InputError("a run is named twice: there is nothing to compare it with.")
    target = output or (runs[0] / "report.html" if len(runs) == 1 else Path("comparison.html"))
    registry = choice.load().registry
    sources = [read_source(path, registry, doctor=doctor) for path in runs]
    _check_target(target, force)
    alone = len(sources) == 1
    text = report_page(sources[0], registry) if alone else comparison_page(sources, network)
    try:
        write_text(target, text)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}.") from error
    click.echo(f"wrote {target}")
    if opened:
        click.launch(target.resolve().as_uri())


def _check_target(target: Path, force: bool) -> None:
    """Refuse to replace what is not a page of ours.

    Raises:
        InputError: it is something else, or its folder is not there.
    """
    from robustkit.errors import InputError
    from robustkit.reporting.page import is_page

    if not target.parent.is_dir():
        raise InputError(f"{target}: its folder is not there. Name another file behind --output.")
    if target.is_dir() or (target.exists() and not target.is_file()):
        raise InputError(f"{target}: expected a file. Name another behind --output.")
    if target.exists() and not force and not is_page(target):
        raise InputError(
            f"{target}: is there already, and no page of robustkit's. Name another behind --output, or add --force."
        )
