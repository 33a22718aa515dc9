"""`robustkit sweep` of a file with a search: trials proposed one after the other, and which did best."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from robustkit.cli.kinds import counted
from robustkit.cli.output import print_json, table
from robustkit.cli.plugin_options import PluginChoice
from robustkit.cli.sweep_plan import show_plan
from robustkit.cli.sweep_progress import sweep_progress
from robustkit.cli.sweep_work import say_failed, work
from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.searching import Scored, Searching
from robustkit.engine.sweep.spec import Sweep
from robustkit.models.files import write_text
from robustkit.plugin.registry import Registry

_CHOSEN = "Chosen by accuracies on the validation examples; the test examples chose nothing."


def search(
    sweep: Sweep,
    folder: SweepFolder,
    choice: PluginChoice,
    registry: Registry,
    *,
    jobs: int,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Go on with the search, or begin it, and show its trials; with `dry_run`, say how far it is and write nothing."""
    searching = Searching(sweep, folder, registry)
    if dry_run:
        folder.check(searching.sweep, searching.runs, registry)
        return _show_plan(searching, folder, choice, jobs=jobs, as_json=as_json)
    with folder.claimed(searching.sweep, searching.runs, registry) as guard:
        waiting = folder.waiting(searching.runs)
        progress = sweep_progress(
            folder,
            searching.total,
            waiting,
            quiet=quiet,
            err=as_json,
            kept=len(searching.runs) - len(waiting),
            figures=lambda run: _percent(searching.figures(run)),
        )
        opening, room = _opening(searching, folder, jobs), {"jobs": jobs, "guard": guard}
        failed = work(folder, searching.runs, searching.waiting(), progress, choice, opening=opening, **room)
        _finish(searching, folder, as_json=as_json)
    return say_failed(failed, len(searching.runs))


def _opening(searching: Searching, folder: SweepFolder, jobs: int) -> str:
    wanted, there, name = searching.search.trials, len(searching.search.tried), searching.search.use.name
    kept = f", {there} proposed before" if there else ""
    by = " + ".join(f"{weight:g} {term}" for term, weight in searching.search.weights().items())
    return (
        f"{counted(wanted, 'trial')} by {name}{kept}, for the most of {by}; {jobs} at a time; results in {folder.path}"
    )


def _show_plan(searching: Searching, folder: SweepFolder, choice: PluginChoice, *, jobs: int, as_json: bool) -> None:
    show_plan(folder, searching.runs, choice, jobs=jobs, estimated=False, as_json=as_json)
    left = searching.search.trials - len(searching.search.tried)
    if left > 0 and not as_json:
        click.echo(f"{counted(left, 'more trial')} will be proposed by {searching.search.use.name}.")


def _finish(searching: Searching, folder: SweepFolder, *, as_json: bool) -> None:
    """Write search.json and show it."""
    found = searching.scored()
    best = max((one for one in found if one.score is not None), key=lambda one: one.score or 0.0, default=None)
    content = _plain(searching, found, best)
    write_text(folder.search, json.dumps(content, indent=2) + "\n")
    if as_json:
        states = [{"name": run.name, "setting": run.setting, "state": folder.state(run)} for run in searching.runs]
        return print_json({"path": str(folder.path), "runs": states, "search": content})
    click.echo(f"\n{table(*_cells(found))}\n")
    left = searching.search.trials - len(found)
    if left > 0:
        click.echo(f"{searching.search.use.name} proposes nothing that was not tried: {left} trials were not needed.")
    if best is not None:
        runs = [str(folder.run(run).path) for run in searching.runs if run.setting == best.name]
        click.echo(f"Best: {best.name}, {best.score:.4f}. {_CHOSEN}\nResults: {', '.join(runs)}")
    return None


def _plain(searching: Searching, found: Sequence[Scored], best: Scored | None) -> dict[str, Any]:
    trials = [
        {"name": one.name, "settings": dict(one.settings), "score": one.score, "figures": dict(one.figures)}
        for one in found
    ]
    head = {"name": searching.sweep.name, "split": "validation", "maximise": dict(searching.search.weights())}
    return {**head, "trials": trials, "best": best.name if best else None}


def _cells(found: Sequence[Scored]) -> tuple[list[str], list[list[str]]]:
    """A row for each trial: its score, its figures, its settings."""
    names = list(dict.fromkeys(name for one in found for name in one.figures))
    rows = [
        [
            one.name,
            "" if one.score is None else f"{one.score:.4f}",
            *(f"{100 * one.figures[name]:.1f} %" if name in one.figures else "" for name in names),
            ", ".join(f"{path}={_shown(value)}" for path, value in one.settings.items()),
        ]
        for one in found
    ]
    return ["trial", "score", *names, "settings"], rows


def _shown(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _percent(figures: Mapping[str, float]) -> str:
    return "validation " + ", ".join(f"{name} {100 * share:.1f} %" for name, share in figures.items())
