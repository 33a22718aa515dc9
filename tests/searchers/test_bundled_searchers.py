"""The bundled searchers: in the space, repeatable, and optuna's better than chance."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from robustkit_search.random_search import RandomSearch
from robustkit_search.tpe import Optuna

from robustkit import Interval, Searcher, Trial
from robustkit.errors import ComponentError, PluginError
from robustkit.testing import SearcherSuite

WITHOUT = "optuna is not installed: pip install 'robustkit-torch[optuna]'"


class TestRandomSearch(SearcherSuite):
    searcher = RandomSearch()


class TestOptuna(SearcherSuite):
    @pytest.fixture(autouse=True, params=[Optuna(), Optuna(startup=3)], ids=repr)
    def configure(self, request: pytest.FixtureRequest) -> None:
        pytest.importorskip("optuna", reason=WITHOUT)
        self.searcher = request.param


@given(
    low=st.floats(1e-6, 1e3),
    factor=st.floats(1.001, 1e6),
    log=st.booleans(),
    seed=st.integers(0, 2**62),
)
def test_random_numbers_lie_in_their_interval(low: float, factor: float, log: bool, seed: int) -> None:
    interval = Interval(low=low, high=low * factor, log=log)
    assert RandomSearch().propose({"lr": interval}, [], seed)["lr"] in interval


def drawn(interval: Interval, count: int = 4000) -> list[Any]:
    return [RandomSearch().propose({"x": interval}, [], seed)["x"] for seed in range(count)]


def test_random_numbers_are_uniform_on_their_scale() -> None:
    assert sum(x < 0.25 for x in drawn(Interval(low=0, high=1))) / 4000 == pytest.approx(0.25, abs=0.04)
    assert sum(x < 0.1 for x in drawn(Interval(low=0.01, high=1, log=True))) / 4000 == pytest.approx(0.5, abs=0.04)
    whole = drawn(Interval(low=1, high=4, whole=True))
    assert [whole.count(x) / 4000 for x in (1, 2, 3, 4)] == pytest.approx([0.25] * 4, abs=0.04)


def distance(settings: Any) -> float:
    return abs(math.log10(settings["lr"]) + 1.5) + (settings["kind"] != {"use": "b"})


def best(searcher: Searcher, seed: int) -> float:
    """How near 25 trials come to a learning rate of 0.03 and the second of three kinds."""
    space = {"lr": Interval(low=1e-4, high=10, log=True), "kind": tuple({"use": name} for name in "abc")}
    trials: list[Trial] = []
    for number in range(25):
        settings = searcher.propose(space, trials, 1000 * seed + number)
        trials.append(Trial(settings, -distance(settings)))
    late: Sequence[Trial] = trials[15:]
    return sum(distance(trial.settings) for trial in late) / len(late)


def test_optuna_learns_from_the_trials() -> None:
    pytest.importorskip("optuna", reason=WITHOUT)
    seeds = range(5)
    optuna, chance = (sum(best(searcher, seed) for seed in seeds) / 5 for searcher in (Optuna(), RandomSearch()))
    assert optuna < 0.75 * chance


def test_without_optuna_its_searcher_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    true_import = builtins.__import__

    def importing(name: str, *others: Any) -> Any:
        if name == "optuna":
            raise ModuleNotFoundError("No module named 'optuna'", name="optuna")
        return true_import(name, *others)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(PluginError, match=r"^searcher 'optuna' needs the library optuna: pip install") as caught:
        Optuna().propose({"lr": Interval(low=0.1, high=1)}, [], 1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"low": 1, "high": 1}, "high: expected a number above low, 1, got 1"),
        ({"low": 0, "high": 1, "log": True}, "low: expected a number above 0, as log is true"),
        ({"low": 0.5, "high": 4, "whole": True}, "low: expected a whole number, as whole is true, got 0.5"),
    ],
)
def test_intervals_that_are_none(fields: Any, said: str) -> None:
    with pytest.raises(ComponentError, match=said):
        Interval(**fields)
