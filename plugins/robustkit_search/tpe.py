"""Optuna's tree-structured Parzen estimator behind one component."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from robustkit import Interval, Searcher, Trial
from robustkit.components.fields import PositiveInt
from robustkit.errors import PluginError


@dataclass(frozen=True)
class Optuna(Searcher):
    """Optuna's tree-structured Parzen estimator: drawn from where the better of the trials lie.

    Bergstra et al.: Algorithms for Hyper-Parameter Optimization, NeurIPS 2011, section 4; Akiba et al.: Optuna: A
    Next-generation Hyperparameter Optimization Framework, KDD 2019.

    Each proposal is made by a new study in memory, which is told of all trials; those whose score is not known count as
    bad ones (constant liar), so that runs side by side do not try the same.

    optuna is optional: `pip install 'robustkit-torch[optuna]'`.
    """

    name = "optuna"

    startup: PositiveInt = 10
    """Trials drawn at random before the estimator is asked; optuna's default."""

    def propose(
        self, space: Mapping[str, Interval | tuple[Any, ...]], trials: Sequence[Trial], seed: int
    ) -> Mapping[str, Any]:
        """What optuna's study of these trials asks for.

        Raises:
            PluginError: optuna is not installed.
        """
        try:
            import optuna
        except ModuleNotFoundError as error:
            if error.name != "optuna":
                raise
            text = "searcher 'optuna' needs the library optuna: pip install 'robustkit-torch[optuna]'."
            raise PluginError(text) from None
        ranges = {path: _distribution(optuna, allowed) for path, allowed in space.items()}
        with _quiet(optuna):
            sampler = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=self.startup, constant_liar=True)
            study = optuna.create_study(direction="maximize", sampler=sampler)
            for trial in trials:
                study.add_trial(_told(optuna, trial, space, ranges))
            asked = study.ask(ranges).params
        return {path: _value(space[path], asked[path]) for path in space}


def _distribution(optuna: Any, allowed: Interval | tuple[Any, ...]) -> Any:
    if not isinstance(allowed, Interval):
        return optuna.distributions.CategoricalDistribution(range(len(allowed)))  # values may be of any kind
    if allowed.whole:
        return optuna.distributions.IntDistribution(int(allowed.low), int(allowed.high), log=allowed.log)
    return optuna.distributions.FloatDistribution(allowed.low, allowed.high, log=allowed.log)


def _told(optuna: Any, trial: Trial, space: Mapping[str, Interval | tuple[Any, ...]], ranges: Mapping[str, Any]) -> Any:
    """A trial as optuna holds it."""
    params = {
        path: trial.settings[path] if isinstance(allowed, Interval) else allowed.index(trial.settings[path])
        for path, allowed in space.items()
    }
    states = optuna.trial.TrialState
    state = states.RUNNING if trial.score is None else states.COMPLETE
    return optuna.trial.create_trial(params=params, distributions=dict(ranges), value=trial.score, state=state)


def _value(allowed: Interval | tuple[Any, ...], asked: Any) -> Any:
    return asked if isinstance(allowed, Interval) else allowed[asked]


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without the line about each study, and the warning that the constant liar is new in optuna."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
