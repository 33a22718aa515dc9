"""What a sweep leaves beside its runs: one comparison, a row for each setting, mean and deviation over the seeds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace

from robustkit.engine.report import CAUTION, markdown_table
from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.plan import PlannedRun
from robustkit.evaluation.comparison import Comparison, compare
from robustkit.models.files import write_text
from robustkit.reporting.finished import read_finished


def write_comparison(name: str, folder: SweepFolder, runs: Sequence[PlannedRun]) -> Comparison | None:
    """Compare the global networks of all finished runs and write comparison.json and comparison.md.

    Returns:
        The comparison; None, and nothing written, where no run is finished.
    """
    finished = sorted(
        (run for run in runs if folder.state(run) == "finished"), key=lambda run: _place(runs, run.setting)
    )
    if not finished:
        return None
    read = [replace(read_finished(folder.run(run).path), label=run.name) for run in finished]
    comparison = compare(read)
    changes = {run.setting: list(run.changes) for run in runs}
    missing = [run.name for run in runs if run not in finished]
    content = {"name": name, **comparison.plain(), "settings": changes, "missing": missing}
    write_text(folder.comparison, json.dumps(content, indent=2) + "\n")
    write_text(folder.comparison_text, _text(name, folder, comparison, changes, missing))
    return comparison


def report_command(folder: SweepFolder) -> str:
    """The command that makes a page of the runs."""
    path = shlex.quote(str(folder.path))
    return f"robustkit report {path}/runs/* --output {path}/comparison.html"


def _place(runs: Sequence[PlannedRun], setting: str) -> int:
    """Where a setting comes first: rows stand in the sweep's order, whichever seeds are finished."""
    return next(index for index, run in enumerate(runs) if run.setting == setting)


def _text(
    name: str, folder: SweepFolder, comparison: Comparison, changes: dict[str, list[str]], missing: list[str]
) -> str:
    lines = [f"# {name}", "", markdown_table(*comparison.cells()), ""]
    lines += ["Accuracy on the test examples: mean ± sample standard deviation over the seeds; of one seed alone, its"]
    lines += ["95 % Wilson interval over the examples.", "", CAUTION]
    lines += [""] if comparison.warnings or missing else []
    lines += [f"- Warning: {text}" for text in comparison.warnings]
    lines += [f"- Not finished: {run}" for run in missing]
    lines += ["", "What each row changes in the base recipe:", ""]
    lines += [
        f"- {setting}: {', '.join(f'`{word}`' for word in words) or 'nothing'}" for setting, words in changes.items()
    ]
    lines += ["", f"All runs on one page: `{report_command(folder)}`", ""]
    return "\n".join(lines)
