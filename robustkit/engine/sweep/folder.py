"""A sweep's folder: what lies where, which runs are finished, and whether it holds this very sweep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import yaml

from robustkit.engine.folder import RunFolder, make_folder
from robustkit.engine.sweep.plan import PlannedRun, planned
from robustkit.engine.sweep.reading import SWEEP, read_sweep
from robustkit.engine.sweep.spec import Sweep
from robustkit.errors import InputError
from robustkit.models.files import write_text
from robustkit.plugin.registry import Registry
from robustkit.recipe.loader import build_recipe, load_recipe
from robustkit.recipe.lock import differences, resolved

State = Literal["new", "unfinished", "finished"]
_SWEEP_HEAD = "# The sweep as it runs, its base recipe included; `robustkit sweep` on this folder goes on with it.\n"
_RUN_HEAD = "# A run of a sweep, which is about to begin.\n"


class SweepFolder:
    """Paths and states of one sweep's folder."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file = self.path / SWEEP
        self.runs = self.path / "runs"
        self.logs = self.path / "logs"
        self.comparison = self.path / "comparison.json"
        self.search = self.path / "search.json"
        self.comparison_text = self.path / "comparison.md"
        self.guard = self.path / ".working"

    def run(self, run: PlannedRun) -> RunFolder:
        """The results folder of a run."""
        return RunFolder(self.runs / run.name)

    def log(self, run: PlannedRun) -> Path:
        """What a run's processes said."""
        return self.logs / f"{run.name}.log"

    def state(self, run: PlannedRun) -> State:
        """How far a run is."""
        folder = self.run(run)
        if folder.report_text.is_file():  # the last that a run writes
            return "finished"
        return "unfinished" if folder.lock.is_file() else "new"

    def waiting(self, runs: Iterable[PlannedRun]) -> list[PlannedRun]:
        """Those of the runs that are not finished."""
        return [run for run in runs if self.state(run) != "finished"]

    def epochs_done(self, run: PlannedRun) -> int:
        """Whole epochs that a run has behind it."""
        metrics = self.run(run).metrics
        return metrics.read_text(encoding="utf-8").count("\n") if metrics.is_file() else 0

    @contextmanager
    def claimed(self, sweep: Sweep, runs: Sequence[PlannedRun], registry: Registry) -> Iterator[int]:
        """Within it, the folder is this sweep's alone; yields a file descriptor that keeps it so as long as it is open.

        Raises:
            InputError: it holds something else, or another process works on it; or this is no POSIX system.
        """
        try:
            import fcntl
        except ImportError:
            raise InputError(
                "a sweep locks its folder, for which it needs a POSIX system such as Linux; this Python has no "
                "module fcntl. Under Windows use WSL. --dry-run works here, and so does `robustkit run` for each run."
            ) from None
        self.check(sweep, runs, registry)
        for path in (self.path, self.runs, self.logs):
            make_folder(path)
        with self.guard.open("w") as guard:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"{self.path}: another sweep is at work here, or its last runs are ending.") from None
            self.write(sweep)
            yield guard.fileno()

    def write(self, sweep: Sweep) -> None:
        """Write down what the sweep is; of a search, also the trials so far."""
        write_text(self.file, _SWEEP_HEAD + sweep.text())

    def check(self, sweep: Sweep, runs: Sequence[PlannedRun], registry: Registry) -> None:
        """Make sure that the folder is free, or holds this sweep or a part of it. It writes nothing.

        Raises:
            InputError: it holds another sweep, or something else; says in what they differ.
        """
        if self.file.is_file():
            self._check_sweep(sweep, runs, registry)
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise InputError(f"{self.path}: is there already, and is no sweep's folder. Choose another --output.")
        for run in runs:
            lock = self.run(run).lock
            if lock.is_file():
                changed = differences(resolved(load_recipe(lock, registry=registry)), resolved(run.recipe))
                self._refuse(f"{lock.parent} holds another run than the sweep wants:", changed)

    def _check_sweep(self, sweep: Sweep, runs: Sequence[PlannedRun], registry: Registry) -> None:
        before = read_sweep(str(self.file), [], [], registry)
        then, here = (resolved(build_recipe(each.base, registry)) for each in (before, sweep))
        self._refuse(f"{self.path} holds a sweep of another base recipe:", differences(then, here))
        now = {run.name: resolved(run.recipe) for run in runs}
        changed = []
        for run in planned(before, registry):
            if run.name in now:
                changed += [f"{run.name}: {text}" for text in differences(resolved(run.recipe), now[run.name])]
            else:
                changed.append(f"{run.name}: not in the sweep now")
        self._refuse(f"{self.path} holds a sweep that cannot be extended to this one:", changed)

    def _refuse(self, what: str, changed: Sequence[str]) -> None:
        if changed:
            shown = [*changed[:20], *([f"and {len(changed) - 20} more"] if len(changed) > 20 else [])]
            listed = "\n  ".join(shown)
            raise InputError(
                f"{what}\n  {listed}\nRuns may be added, by more seeds, values or variants; for anything else "
                f"start anew in another --output. To go on with it as it was: robustkit sweep {self.path}."
            )

    def prepare(self, run: PlannedRun) -> RunFolder:
        """Make a new run's results folder and write its recipe as its lock, so that it can be resumed from its start.

        Raises:
            InputError: the folder holds something without being a results folder.
        """
        folder = self.run(run)
        if not folder.lock.is_file():
            if folder.path.is_dir() and any(not path.name.endswith(".partial") for path in folder.path.iterdir()):
                raise InputError(f"{folder.path}: is there already, and is no results folder. Move it away.")
            make_folder(folder.path)
            write_text(folder.lock, _RUN_HEAD + yaml.safe_dump(resolved(run.recipe), sort_keys=False, width=120))
        return folder
