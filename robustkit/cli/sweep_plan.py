"""What a sweep would do, told without doing it: `robustkit sweep --dry-run`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from robustkit.cli.kinds import counted
from robustkit.cli.output import print_json, table
from robustkit.cli.plugin_options import PluginChoice
from robustkit.cli.progress import duration
from robustkit.engine.cost.estimate import estimate
from robustkit.engine.folder import RunFolder
from robustkit.engine.launch import surroundings
from robustkit.engine.run import Run
from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.plan import PlannedRun
from robustkit.plugin.manager import Plugins

_SECONDS = 3.0  # that trying out one setting takes, roughly


def show_plan(
    folder: SweepFolder,
    runs: Sequence[PlannedRun],
    choice: PluginChoice,
    *,
    jobs: int,
    estimated: bool,
    as_json: bool,
) -> None:
    """Print the runs, how far each is, and if `estimated` how long each will take on an idle machine."""
    seconds = _seconds(runs, choice.load(silent=True)) if estimated else {}
    left = sum(seconds[run.setting] * _open_share(folder, run) for run in runs) if estimated else None
    if as_json:
        listed = [
            {
                "name": run.name,
                "setting": run.setting,
                "seed": run.recipe.seed,
                "state": folder.state(run),
                "changes": list(run.changes),
                "seconds": seconds.get(run.setting),
            }
            for run in runs
        ]
        return print_json({"path": str(folder.path), "runs": listed, "seconds_left": left, "jobs": jobs})
    head = ["run", "state", *(["time"] if estimated else []), "changes in the base recipe"]
    rows = [
        [
            run.name,
            _state(folder, run),
            *([duration(seconds[run.setting])] if estimated else []),
            ", ".join(run.changes),
        ]
        for run in runs
    ]
    click.echo(table(head, rows))
    click.echo(f"\n{counted(len(runs), 'run')}, each checked as a recipe. Nothing was written; results: {folder.path}")
    if left is not None:
        share = f", {duration(left / jobs)} with {jobs} at a time if they do not slow each other" if jobs > 1 else ""
        click.echo(f"About {duration(left)} of work is left{share}.")
    return None


def _seconds(runs: Sequence[PlannedRun], plugins: Plugins) -> dict[str, float]:
    """What one run of each setting takes."""
    found: dict[str, float] = {}
    for run in runs:
        if run.setting not in found:
            with surroundings(run.recipe):
                found[run.setting] = estimate(Run(run.recipe, RunFolder(run.name), plugins), _SECONDS).total.seconds
    return found


def _open_share(folder: SweepFolder, run: PlannedRun) -> float:
    if folder.state(run) == "finished":
        return 0.0
    return 1.0 - min(1.0, folder.epochs_done(run) / run.recipe.epochs)


def _state(folder: SweepFolder, run: PlannedRun) -> str:
    state = folder.state(run)
    return f"epoch {folder.epochs_done(run)}/{run.recipe.epochs}" if state == "unfinished" else state
