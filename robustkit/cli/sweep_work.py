"""How the sweep's command works off runs: in processes, with progress shown, until they end or it is interrupted."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence

import click

from robustkit.cli.failures import exit_code
from robustkit.cli.plugin_options import PluginChoice
from robustkit.cli.sweep_progress import SweepProgress
from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.jobs import Jobs
from robustkit.engine.sweep.plan import PlannedRun


def work(
    folder: SweepFolder,
    runs: Sequence[PlannedRun],
    waiting: Iterable[PlannedRun],
    progress: SweepProgress,
    choice: PluginChoice,
    *,
    opening: str,
    jobs: int,
    guard: int,
) -> list[str]:
    """Run what waits; returns the names of runs that failed. Ctrl-C and SIGTERM end the command, with the way on.

    Args:
        folder: the sweep's, claimed.
        runs: all of them; of a search, those that are known, also while it works.
        waiting: those that are to be run.
        progress: shows how it goes.
        choice: the plugins that the runs need.
        opening: the first line.
        jobs: how many runs at a time.
        guard: the claim's file descriptor.
    """
    try:
        with progress:
            progress.say(opening)
            Jobs(folder, worker(choice), jobs=jobs, guard=guard).work(waiting, progress)
    except KeyboardInterrupt as interrupt:
        click.echo(_interrupted(folder, runs, progress, choice), err=True)
        click.get_current_context().exit(exit_code(interrupt))
    return [ended.run.name for ended in progress.failed]


def worker(choice: PluginChoice) -> list[str]:
    """The command that goes on with a run, but for its folder."""
    plugins = [word for file in choice.files for word in ("--plugin", str(file))]
    plugins += [word for name in choice.disabled for word in ("--disable", name)]
    return [sys.executable, "-m", "robustkit.cli.sweep_worker", *plugins, "run", "--resume"]


def say_failed(failed: Sequence[str], total: int) -> None:
    """Where runs failed, say so and end with 1."""
    if failed:
        click.echo(f"{len(failed)} of {total} runs failed; the same command tries them again.", err=True)
        click.get_current_context().exit(1)


def _interrupted(folder: SweepFolder, runs: Sequence[PlannedRun], progress: SweepProgress, choice: PluginChoice) -> str:
    done = sum(folder.state(run) == "finished" for run in runs)
    go_on = f"robustkit sweep {shlex.quote(str(folder.path))}{choice.words()}"
    return f"\nInterrupted: {done} of {progress.total} runs are finished, the others can go on: {go_on}"
