"""What sweeps expect of searchers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from robustkit.components.searcher import Interval, Searcher, Space, Trial, strays
from robustkit.testing.component import ComponentSuite


class SearcherSuite(ComponentSuite):
    """Checks a searcher through a search of `rounds` trials, of which one fails and one is still at work."""

    kind = "searcher"
    searcher: Searcher
    rounds: int = 14
    space: Space = {
        "learners.robust.optimizer.lr": Interval(low=0.001, high=1.0, log=True),
        "aggregator.decay": Interval(low=0.5, high=1.0),
        "epochs": Interval(low=3, high=9, whole=True),
        "batch_size": Interval(low=8, high=512, log=True, whole=True),
        "aggregator": ("wa", {"use": "swa"}, None),
        "aggregator.every_epochs": (1, 2, 5),
    }

    def test_proposes_what_is_in_the_space(self) -> None:
        """Every proposal has a value for every path, and each lies in its range."""
        for trial in self._search():
            found = list(strays(self.space, trial.settings))
            assert not found, f"{'; '.join(found)}: proposed {dict(trial.settings)}."

    def test_proposes_the_same_again(self) -> None:
        """The same trials and the same seed give the same proposal, whatever was proposed in between."""
        first, second = list(self._search()), list(self._search())
        for number, (trial, again) in enumerate(zip(first, second, strict=True), 1):
            shown = f"trial {number} was {dict(trial.settings)}, asked again {dict(again.settings)}"
            assert trial.settings == again.settings, f"{shown}: the seed must decide all that is random."

    def test_keeps_nothing_between_proposals(self) -> None:
        """A proposal depends on what it is handed, not on the proposals before: so a killed search can go on."""
        trials = list(self._search())
        for number in (0, len(trials) // 2, len(trials) - 1):
            alone = copy.deepcopy(self.searcher).propose(self.space, trials[:number], number)
            assert alone == trials[number].settings, f"trial {number + 1} depends on more than the trials before it."

    def test_does_not_stand_still(self) -> None:
        """It does not propose one and the same settings throughout."""
        tried = [dict(trial.settings) for trial in self._search()]
        assert any(settings != tried[0] for settings in tried), f"every proposal is {tried[0]}."

    def test_changes_nothing_it_is_handed(self) -> None:
        """The space and the trials are the search's."""
        trials = list(self._search())
        before = copy.deepcopy((dict(self.space), trials))
        self.searcher.propose(self.space, trials, 1)
        assert before == (dict(self.space), trials), "propose() changed what it was handed."

    def _search(self) -> Iterator[Trial]:
        trials: list[Trial] = []
        for number in range(self.rounds):
            settings = self.searcher.propose(self.space, tuple(trials), number)
            known = number not in (2, self.rounds - 2)
            trials.append(Trial(settings, _score(settings) if known else None))
            yield trials[-1]


def _score(settings: Mapping[str, Any]) -> float:
    """A made-up figure that grows with the numbers in the settings."""
    return sum(value for value in settings.values() if isinstance(value, int | float)) / 1000
