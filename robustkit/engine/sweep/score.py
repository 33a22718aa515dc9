"""What a search maximises, read from a run's measurements on its validation examples.

Nothing here opens a run's report, which is of the test examples: a setting chosen by them would look better than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustkit.engine.folder import RunFolder
from robustkit.engine.sweep.plan import PlannedRun
from robustkit.errors import InputError, did_you_mean, known
from robustkit.recipe.schema import Recipe

NATURAL, WORST = "natural", "worst-case"


def check_goal(weights: Mapping[str, float], recipe: Recipe) -> None:
    """Make sure that a run of the recipe measures what is to be maximised.

    Raises:
        InputError: it does not.
    """
    if recipe.validation_examples == 0:
        raise InputError("search: it goes by the validation examples, but the base's validation_examples is 0.")
    attacks = recipe.evaluation.attacks
    measured = [NATURAL, *attacks, *([WORST] if attacks else [])]
    for name in weights:
        if name not in measured:
            raise InputError(
                f"search.maximise: the base measures no {name!r} on its validation examples."
                f"{did_you_mean(name, measured)} {known(measured)} evaluation.attacks names what is measured there."
            )


def validation_figures(folder: RunFolder, recipe: Recipe) -> dict[str, float]:
    """The global learner's accuracies on the validation examples, of the weights that the run kept.

    Raises:
        InputError: the run measured nothing there.
        WeightsError: its metrics are missing or damaged.
    """
    measured = [line["global"]["validation"] for line in folder.read_metrics() if "validation" in line["global"]]
    if not measured:
        raise InputError(f"{folder.metrics}: nothing was measured on validation examples. Set validation_examples.")
    by = recipe.evaluation.select_by
    kept = measured[-1] if by == "last" else max(measured, key=lambda accuracies: accuracies[by])  # the first of equals
    figures = dict(kept)
    attacked = [name for name in figures if name != NATURAL]
    return figures if len(attacked) != 1 else {**figures, WORST: figures[attacked[0]]}


def mean_figures(runs: Sequence[tuple[RunFolder, PlannedRun]]) -> dict[str, float]:
    """The means of the figures over the seeds of one setting."""
    found = [validation_figures(folder, run.recipe) for folder, run in runs]
    return {name: sum(figures[name] for figures in found) / len(found) for name in found[0]}


def score(weights: Mapping[str, float], figures: Mapping[str, float]) -> float:
    """The weighted sum.

    Raises:
        InputError: one of its terms was not measured.
    """
    for name in weights:
        if name not in figures:
            raise InputError(
                f"search.maximise: a trial measured no {name!r} on its validation examples. {known(figures)}"
            )
    return sum(weight * figures[name] for name, weight in weights.items())
