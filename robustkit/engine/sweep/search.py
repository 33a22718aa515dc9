"""What a search is: where it looks, who proposes, what is maximised; a section of a sweep file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from robustkit.components.component import Checked
from robustkit.components.fields import NonNegativeInt, Positive, PositiveInt
from robustkit.components.searcher import Interval, Searcher
from robustkit.engine.sweep.grid import wrong_paths
from robustkit.errors import Problem
from robustkit.recipe.lock import plain


@dataclass(frozen=True)
class Search(Checked):
    """Settings are proposed one after the other, each in the light of those before."""

    use: Searcher
    """What proposes them: `random`, `optuna`, or with fields `{use: optuna, startup: 5}`."""
    trials: PositiveInt
    """How many settings to try, each with every seed."""
    maximise: str | Mapping[str, Positive]
    """The global learner's accuracy on the validation examples: `natural`, an attack of `evaluation.attacks`,
    `worst-case` over these, or a weighted sum, `{natural: 0.5, worst-case: 0.5}`."""
    space: Mapping[str, Interval | tuple[Any, ...]]
    """By path in the recipe, what may stand there: a list of values, or `{low: 0.01, high: 0.2}`, with `log: true`
    where factors count and `whole: true` where whole numbers are wanted."""
    seed: NonNegativeInt = 1
    """Decides all that is random in the proposals."""
    tried: tuple[Mapping[str, Any], ...] = ()
    """Settings proposed so far, by path; the sweep's folder holds them. In a file of yours: what to begin with."""

    def problems(self) -> Iterable[Problem]:
        """A space without settings or with a sweep's own, a sum of nothing."""
        yield from wrong_paths(self.space, ("space",))
        if not self.space:
            yield Problem(("space",), "expected at least one path, got none.")
        for path, allowed in self.space.items():
            if not isinstance(allowed, Interval) and not allowed:
                yield Problem(("space", path), "expected at least one value, got none.")
        if not self.maximise:
            yield Problem(("maximise",), "expected at least one accuracy, got none.")

    def weights(self) -> Mapping[str, float]:
        """What the score is a sum of, with the weights."""
        return {self.maximise: 1.0} if isinstance(self.maximise, str) else self.maximise

    def plain(self) -> dict[str, Any]:
        """As a sweep file holds it."""
        found: dict[str, Any] = plain(self)
        return found


def trial_name(number: int) -> str:
    """`trial-007`; numbers count from 1."""
    return f"trial-{number:03}"
