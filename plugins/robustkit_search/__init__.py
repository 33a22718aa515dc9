"""Searchers: what proposes the next settings of a sweep that searches."""

from robustkit import Searcher, hookimpl
from robustkit_search.random_search import RandomSearch
from robustkit_search.tpe import Optuna


@hookimpl
def register_searchers() -> list[type[Searcher]]:
    """Random search, and optuna's, which imports optuna when it is asked for a proposal."""
    return [RandomSearch, Optuna]
