"""`robustkit sweep`: one recipe in many settings and with several seeds, compared at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from robustkit.cli.output import json_option, print_json, table, warn
from robustkit.cli.plugin_options import PluginChoice, plugin_options
from robustkit.cli.recipe_argument import RecipeName

if TYPE_CHECKING:
    from robustkit.engine.sweep.folder import SweepFolder
    from robustkit.engine.sweep.plan import PlannedRun
    from robustkit.engine.sweep.spec import Sweep
    from robustkit.plugin.registry import Registry


class SweepName(RecipeName):
    """A bundled sweep's name, or what names a recipe; both are completed."""

    name = "sweep"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Bundled sweeps and recipes whose name begins so, else files."""
        from robustkit.recipe.bundled import bundled_sweeps

        names = [CompletionItem(name) for name in bundled_sweeps() if name.startswith(incomplete)]
        others = super().shell_complete(ctx, param, incomplete)
        return names + [item for item in others if not names or item.type != "file"]


class GridCommand(click.Command):
    """Takes all words behind `--grid`, up to the next option, as the grid's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, once each of the words has a `--grid` of its own."""
        return super().parse_args(ctx, list(_spread(args)))


def _spread(args: Sequence[str]) -> Iterator[str]:
    inside = False
    for place, word in enumerate(args):
        if word == "--grid":
            inside = True
            if place + 1 == len(args) or args[place + 1].startswith("-"):
                raise click.BadOptionUsage("grid", "Option '--grid' requires an argument.")
            continue
        inside = inside and not word.startswith("-")
        yield from ("--grid", word) if inside else (word,)


@click.command("sweep", cls=GridCommand)
@click.argument("source", metavar="RECIPE|SWEEP", type=SweepName())
@click.argument("overrides", metavar="[PATH=VALUE]...", nargs=-1)
@click.option(
    "--grid",
    metavar="PATH=VALUES...",
    multiple=True,
    help="Values of a setting: PATH=1,5,10 or PATH=1..5; several words may follow. Every combination is run.",
)
@click.option("--base", metavar="RECIPE", type=RecipeName(), help="Vary this recipe instead of the sweep file's.")
@click.option(
    "--output", metavar="DIR", type=click.Path(path_type=Path), help="The sweep's folder; by default sweeps/NAME."
)
@click.option("--jobs", metavar="N", type=click.IntRange(1, 512), default=1, show_default=True, help="Runs at a time.")
@click.option("--dry-run", is_flag=True, help="List the runs and how far they are, and write nothing.")
@click.option("--estimate", "estimated", is_flag=True, help="With --dry-run: also say how long they will take.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the results.")
@json_option
@plugin_options
def command(
    source: str,
    overrides: tuple[str, ...],
    grid: tuple[str, ...],
    base: str | None,
    output: Path | None,
    jobs: int,
    dry_run: bool,
    estimated: bool,
    quiet: bool,
    as_json: bool,
    choice: PluginChoice,
) -> None:
    """Run a recipe in many settings, compare them.

    The first word is a recipe, as for `run`; or a file that names a base recipe, variants, a grid and seeds, or a
    search; or the folder of a sweep that is to go on. PATH=VALUE words change the base recipe. Finished runs are kept
    and unfinished ones go on when the same command is given again, also with more seeds, values or variants.
    """
    if estimated and not dry_run:
        raise click.UsageError("--estimate goes with --dry-run.")
    from robustkit.engine.sweep.folder import SweepFolder
    from robustkit.engine.sweep.plan import planned
    from robustkit.engine.sweep.reading import SWEEP, read_sweep

    registry = choice.load().registry
    sweep = read_sweep(source, overrides, grid, registry, base)
    resumed = Path(source) if (Path(source) / SWEEP).is_file() else None
    folder = SweepFolder(output or resumed or Path("sweeps") / sweep.name)
    if sweep.search is not None:
        if estimated:
            raise click.UsageError("--estimate needs to know the settings, and a search has yet to find them.")
        from robustkit.cli.search import search

        shown: Any = {"jobs": jobs, "dry_run": dry_run, "quiet": quiet, "as_json": as_json}
        return search(sweep, folder, choice, registry, **shown)
    runs = planned(sweep, registry)
    if dry_run:
        from robustkit.cli.sweep_plan import show_plan

        folder.check(sweep, runs, registry)
        return show_plan(folder, runs, choice, jobs=jobs, estimated=estimated, as_json=as_json)
    return _run(sweep, runs, folder, choice, registry, jobs=jobs, quiet=quiet, as_json=as_json)


def _run(
    sweep: Sweep,
    runs: Sequence[PlannedRun],
    folder: SweepFolder,
    choice: PluginChoice,
    registry: Registry,
    *,
    jobs: int,
    quiet: bool,
    as_json: bool,
) -> None:
    from robustkit.cli.sweep_progress import sweep_progress
    from robustkit.cli.sweep_work import say_failed, work

    with folder.claimed(sweep, runs, registry) as guard:
        waiting = folder.waiting(runs)
        progress = sweep_progress(folder, len(runs), waiting, quiet=quiet, err=as_json)
        opening = _opening(folder, runs, waiting, jobs)
        failed = work(folder, runs, waiting, progress, choice, opening=opening, jobs=jobs, guard=guard)
        _finish(sweep.name, folder, runs, as_json)
    say_failed(failed, len(runs))


def _opening(folder: SweepFolder, runs: Sequence[PlannedRun], waiting: Sequence[PlannedRun], jobs: int) -> str:
    from robustkit.cli.kinds import counted

    settings = len({run.setting for run in runs})
    kept = len(runs) - len(waiting)
    text = f"{counted(len(runs), 'run')} of {counted(settings, 'setting')}{f', {kept} finished' if kept else ''}; "
    threads = counted(runs[0].recipe.threads or 1, "thread")
    return f"{text}{jobs} at a time with {threads} each; results in {folder.path}"


def _finish(name: str, folder: SweepFolder, runs: Sequence[PlannedRun], as_json: bool) -> None:
    """Write the comparison and show it."""
    from robustkit.cli.sweep_report import report_command, write_comparison
    from robustkit.engine.report import CAUTION

    comparison = write_comparison(name, folder, runs)
    if as_json:
        states = [{"name": run.name, "setting": run.setting, "state": folder.state(run)} for run in runs]
        found = comparison.plain() if comparison else None
        return print_json({"path": str(folder.path), "runs": states, "comparison": found})
    if comparison is None:
        return None
    for text in comparison.warnings:
        warn(text)
    click.echo(f"\n{table(*comparison.cells())}\n\n{CAUTION}\nResults: {folder.path}")
    return click.echo(f"All runs on one page: {report_command(folder)}")
