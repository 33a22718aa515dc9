"""`robustkit run`: train, measure, report."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustkit.cli.failures import exit_code
from robustkit.cli.output import accuracy_rows, echo_norms, json_option, print_json, table
from robustkit.cli.plugin_options import PluginChoice, plugin_options
from robustkit.cli.recipe_argument import recipe_arguments

if TYPE_CHECKING:
    from robustkit.cli.progress import Progress
    from robustkit.engine.listener import Watched
    from robustkit.engine.results import FinishedRun


@click.command("run")
@recipe_arguments
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The results folder; by default the first free of runs/NAME, runs/NAME-2, ...",
)
@click.option("--resume", is_flag=True, help="Go on from the checkpoint in the results folder.")
@click.option(
    "--stop-after",
    metavar="EPOCH",
    type=click.IntRange(min=1),
    help="Train no epoch past this one; --resume goes on from there. For a first look at a long run.",
)
@click.option(
    "--profile", is_flag=True, help="Also say what a training step's time goes to, and write it to profile.json."
)
@click.option(
    "--trace", is_flag=True, help="Like --profile; also write trace.json.gz, a torch profiler trace of a few steps."
)
@click.option("--dry-run", is_flag=True, help="Build everything, write nothing, and say what would happen.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the results.")
@json_option
@plugin_options
def command(
    recipe: str,
    overrides: tuple[str, ...],
    output: Path | None,
    resume: bool,
    stop_after: int | None,
    profile: bool,
    trace: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    choice: PluginChoice,
) -> None:
    """Train a recipe's learners, measure them, write a results folder.

    RECIPE is a file, an installed recipe's name, or a results folder: its run is repeated, or with --resume goes on.
    PATH=VALUE words change the recipe, for example seed=2 or learners.natural.optimizer.lr=0.1.
    With --json, stdout gets the content of report.json and progress goes to stderr.
    """
    if dry_run:
        if resume:
            raise click.UsageError("--dry-run tells what a new run would do; it does not go with --resume.")
        return _dry_run(recipe, overrides, output, as_json, choice)
    if trace:  # or torch's profiler writes lines of its own to stderr; read when torch is imported
        os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    from robustkit.cli.screen import progress_display
    from robustkit.engine.launch import run

    plugins = choice.load()
    display = progress_display(quiet=quiet, err=as_json)
    try:
        with display:
            settings: Any = {"output": output, "resume": resume, "stop_after": stop_after}
            settings |= {"profile": profile, "trace": trace}
            finished = run(recipe, *overrides, **settings, listener=display, plugins=plugins)
    except KeyboardInterrupt as interrupt:
        click.echo(_interrupted(display, choice), err=True)
        click.get_current_context().exit(exit_code(interrupt))
    if not finished.folder.report.is_file():
        _stopped(finished, choice, as_json)
    elif as_json:
        print_json(finished.report)
    else:
        _show(finished.report, finished.path, blank=not quiet)
    if (profile or trace) and not as_json:
        _show_profile(finished)
    return None


def _show(report: dict[str, Any], path: Path, *, blank: bool) -> None:
    """The figures, which weights they are of, how far they can be trusted, and where everything lies."""
    if blank:
        click.echo()
    click.echo(table(*accuracy_rows(report)))
    click.echo(f"\non {report['examples']['test']:,} test examples, with 95 % intervals")
    echo_norms(report)
    click.echo(report["selection"]["text"])
    click.echo(report["caution"])
    click.echo(f"Results: {path}")


def _stopped(run: FinishedRun, choice: PluginChoice, as_json: bool) -> None:
    """How far a run is that --stop-after ended, and the command that goes on from there."""
    done, epochs, path = len(run.metrics), run.recipe.epochs, str(run.path)
    if as_json:
        return print_json({"finished": False, "epoch": done, "epochs": epochs, "path": path})
    go_on = f"robustkit run {shlex.quote(path)} --resume{choice.words()}"
    return click.echo(f"Stopped after epoch {done} of {epochs}, as asked. Go on with: {go_on}")


def _show_profile(run: FinishedRun) -> None:
    """What a training step cost."""
    from robustkit.cli.costs import profile_text

    folder = run.folder
    click.echo(f"\n{profile_text(folder.read_json(folder.profile), str(folder.profile))}")


def _interrupted(display: Progress, choice: PluginChoice) -> str:
    """What Ctrl-C or SIGTERM leaves behind, and the command that goes on from there."""
    run = display.run
    if run is None:
        return "\nInterrupted before training began; nothing was written."
    epoch = _kept_epoch(run)
    kept = f"The checkpoint of epoch {epoch} of {run.recipe.epochs} is kept." if epoch else "No epoch was finished yet."
    path = shlex.quote(str(run.folder.path))
    return f"\nInterrupted. {kept} Go on with: robustkit run {path} --resume{choice.words()}"


def _kept_epoch(run: Watched) -> int:
    """The epoch of the checkpoint on disk: Ctrl-C may have come while one was written."""
    from robustkit.models.files import read_tensors

    if not run.folder.checkpoint.is_file():
        return 0
    return int(read_tensors(run.folder.checkpoint)[1]["progress"]["epoch"])


def _dry_run(recipe: str, overrides: tuple[str, ...], output: Path | None, as_json: bool, choice: PluginChoice) -> None:
    from robustkit.cli.plan import plan_of, plan_text
    from robustkit.engine.folder import RunFolder, new_folder
    from robustkit.engine.run import Run
    from robustkit.recipe.loader import load_recipe

    plugins = choice.load()
    built = load_recipe(recipe, *overrides, registry=plugins.registry)
    run = Run(built, RunFolder(new_folder(built.name, output)), plugins)
    if as_json:
        print_json(plan_of(run))
    else:
        click.echo(plan_text(run))
