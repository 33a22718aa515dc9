"""A search at work: its trials so far, and the next, which is proposed when there is room to run it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from robustkit.components.randomness import derive
from robustkit.components.searcher import Interval, Trial, strays
from robustkit.engine.sweep.folder import SweepFolder
from robustkit.engine.sweep.grid import Axis, flow
from robustkit.engine.sweep.plan import PlannedRun, Setting, checked, content, planned
from robustkit.engine.sweep.reading import read_sweep
from robustkit.engine.sweep.score import check_goal, mean_figures, score
from robustkit.engine.sweep.search import Search, trial_name
from robustkit.engine.sweep.spec import Sweep
from robustkit.errors import InputError, PluginError, RecipeError
from robustkit.plugin.registry import Registry
from robustkit.recipe.loader import build_recipe

_ATTEMPTS = 100  # proposals that were all tried before, after which there is nothing left to propose
_BETWEEN = 0.618  # where an interval is looked into before anything runs: at its ends and at one place between


@dataclass(frozen=True)
class Scored:
    """A trial, and how it did."""

    name: str
    settings: Mapping[str, Any]
    figures: Mapping[str, float]
    """On the validation examples, means over the seeds; empty while a run of it is not finished."""
    score: float | None
    """What is maximised; None while a run of it is not finished."""


class Searching:
    """A search in its folder. All that it knows lies there: the proposals in sweep.yaml, how they did in the runs.

    Args:
        sweep: with a search.
        folder: the sweep's; where it holds trials already, they are this search's.
        registry: where components are looked up.

    Raises:
        InputError: what is to be maximised is not measured.
        RecipeError: the space has values that are none in the recipe.
        PluginError: the searcher cannot be used.
    """

    def __init__(self, sweep: Sweep, folder: SweepFolder, registry: Registry) -> None:
        assert sweep.search is not None
        self._folder, self._registry = folder, registry
        self.sweep = _continued(sweep, sweep.search, folder, registry)
        base = build_recipe(sweep.base, registry)
        self._seeds = sweep.seeds or (base.seed,)
        check_goal(self.search.weights(), base)
        self._check_space()
        self.search.use.propose(self.search.space, (), 0)
        self.runs = planned(self.sweep, registry)
        """Of all trials so far; it grows."""
        self._contents = {content(run.recipe) for run in self.runs}

    @property
    def search(self) -> Search:
        """What is searched, and how."""
        assert self.sweep.search is not None
        return self.sweep.search

    @property
    def total(self) -> int:
        """Runs of the whole search."""
        return max(self.search.trials, len(self.search.tried)) * len(self._seeds)

    def waiting(self) -> Iterator[PlannedRun]:
        """Runs that are not finished, then those of new trials, each proposed when its first run is asked for.

        Raises:
            PluginError: the searcher proposed what is not in the space.
            InputError: what it proposed is no recipe.
        """
        yield from self._folder.waiting(self.runs)
        while len(self.search.tried) < self.search.trials:
            runs = self._next()
            if not runs:
                return
            yield from runs

    def scored(self) -> list[Scored]:
        """All trials so far, in the order of their proposals."""
        return [self._scored(number, settings) for number, settings in enumerate(self.search.tried, 1)]

    def figures(self, run: PlannedRun) -> dict[str, float]:
        """What a finished run measured on its validation examples."""
        return mean_figures([(self._folder.run(run), run)])

    def _scored(self, number: int, settings: Mapping[str, Any]) -> Scored:
        name = trial_name(number)
        runs = [run for run in self.runs if run.setting == name]
        if self._folder.waiting(runs):
            return Scored(name, settings, {}, None)
        figures = mean_figures([(self._folder.run(run), run) for run in runs])
        return Scored(name, settings, figures, score(self.search.weights(), figures))

    def _next(self) -> list[PlannedRun]:
        """Propose a trial and write it down; returns its runs, none where all that is proposed was tried before."""
        number, space = len(self.search.tried) + 1, self.search.space
        trials = tuple(Trial(found.settings, found.score) for found in self.scored())
        within = tuple(trial for trial in trials if not list(strays(space, trial.settings)))
        for attempt in range(_ATTEMPTS):
            settings = dict(self.search.use.propose(space, within, derive(self.search.seed, "trial", number, attempt)))
            wrong = list(strays(space, settings))
            if wrong:
                raise PluginError(f"searcher {self.search.use.name!r}, trial {number}: {'; '.join(wrong)}.")
            runs = self._runs(number, settings)
            if content(runs[0].recipe) not in self._contents:
                self._contents.add(content(runs[0].recipe))
                self.runs += runs
                self.sweep = replace(self.sweep, search=replace(self.search, tried=(*self.search.tried, settings)))
                self._folder.write(self.sweep)
                return runs
        return []

    def _runs(self, number: int, settings: Mapping[str, Any]) -> list[PlannedRun]:
        words = tuple(f"{path}={flow(value)}" for path, value in settings.items())
        setting = Setting(trial_name(number), (), words)
        try:
            (recipe,) = checked([setting], self.sweep.base, self._registry)
        except RecipeError as error:
            raise InputError(
                f"{error}\nThe space allows {', '.join(words)}, which cannot be run. Narrow it and give the same "
                "command again: trials that lie in it are kept."
            ) from error
        return [setting.run(recipe, seed) for seed in self._seeds]

    def _check_space(self) -> None:
        """Build a recipe with each value of each path: what no run could take is told before one runs."""
        for path, allowed in self.search.space.items():
            axes = (Axis(path, _samples(allowed)),)
            planned(replace(self.sweep, search=None, axes=axes, seeds=()), self._registry)


def _samples(allowed: Interval | tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(allowed, Interval):
        return allowed
    if allowed.whole:
        return int(allowed.low), int(allowed.high)
    return allowed.low, allowed.low + _BETWEEN * (allowed.high - allowed.low), allowed.high


def _continued(sweep: Sweep, search: Search, folder: SweepFolder, registry: Registry) -> Sweep:
    """The sweep with the trials that its folder holds."""
    if not folder.file.is_file():
        return sweep
    before = read_sweep(str(folder.file), [], [], registry).search
    if before is None or before.tried[: len(search.tried)] != search.tried:
        return sweep  # another sweep's folder, which is told when it is claimed
    return replace(sweep, search=replace(search, tried=before.tried))
