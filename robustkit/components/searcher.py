"""Searchers: what proposes a search's next settings, from those that were tried and how they did."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from robustkit.components.component import Checked, Component
from robustkit.errors import Problem


@dataclass(frozen=True)
class Interval(Checked):
    """All numbers between two."""

    low: float
    """The smallest."""
    high: float
    """The largest."""
    log: bool = False
    """Whether factors count, not differences: as likely to lie between 0.01 and 0.1 as between 0.1 and 1."""
    whole: bool = False
    """Whether only whole numbers are meant."""

    def problems(self) -> Iterable[Problem]:
        """Ends that lie the wrong way round, or that the scale or the kind of number does not allow."""
        if self.low >= self.high:
            yield Problem(("high",), f"expected a number above low, {self.low:g}, got {self.high:g}.")
        if self.log and self.low <= 0:
            yield Problem(("low",), f"expected a number above 0, as log is true, got {self.low:g}.")
        for name, end in (("low", self.low), ("high", self.high)):
            if self.whole and not end.is_integer():
                yield Problem((name,), f"expected a whole number, as whole is true, got {end:g}.")

    def __contains__(self, value: Any) -> bool:
        wanted = int if self.whole else int | float
        return isinstance(value, wanted) and not isinstance(value, bool) and self.low <= value <= self.high


Space: TypeAlias = Mapping[str, Interval | tuple[Any, ...]]
"""By path in the recipe: an interval, or the values to choose from, which may be any plain data."""


@dataclass(frozen=True)
class Trial:
    """Settings that a search has tried, or is trying."""

    settings: Mapping[str, Any]
    """A value for every path of the space."""
    score: float | None
    """What is maximised, measured on validation examples; None while it is not known, or where a run failed."""


@dataclass(frozen=True)
class Searcher(Component):
    """Proposes settings. It keeps nothing from one proposal to the next: the trials are all that it knows, so that a
    search that was killed goes on as if it had not been."""

    kind: ClassVar[str] = "searcher"

    @abstractmethod
    def propose(self, space: Space, trials: Sequence[Trial], seed: int) -> Mapping[str, Any]:
        """Return a value of the space for each of its paths, and change nothing that it was handed.

        Args:
            space: where to search.
            trials: all of this search, in the order in which they were proposed.
            seed: of this proposal; whatever is random must depend on it alone, so that a search can be repeated.
        """


def strays(space: Space, settings: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with settings that should lie in the space, one text a path."""
    for path in settings.keys() - space.keys():
        yield f"{path} is not in the space"
    for path, allowed in space.items():
        if path not in settings:
            yield f"{path} is missing"
        elif settings[path] not in allowed:
            yield f"{path}={settings[path]!r} is not in its range"
