"""Several runs in one table: seeds of one recipe together, and what forbids reading across said plainly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robustkit.errors import InputError, WeightsError, did_you_mean, known
from robustkit.evaluation.norms import figures, in_order
from robustkit.recipe.lock import differences

ALL = "all"
_FREE = ("seed", "device", "threads", "lock")  # in which runs of one recipe may differ and still be its seeds


@dataclass(frozen=True)
class ComparedRun:
    """One finished run: where it lies, its report.json, and its recipe as plain data.

    Raises:
        WeightsError: the report is none.
    """

    label: str
    report: Mapping[str, Any]
    recipe: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Refuse what is no report."""
        missing = [key for key in ("name", "seed", "networks", "attacks", "examples") if key not in self.report]
        if missing:
            raise WeightsError(f"{self.label}: its report lacks {', '.join(missing)}.")


@dataclass(frozen=True)
class Figure:
    """An accuracy of one run with its interval, or its mean over several with their deviation."""

    mean: float
    runs: int
    deviation: float | None
    """Sample standard deviation over the runs (divided by runs - 1); None for a single run."""
    interval: tuple[float, float] | None
    """95 % Wilson interval of a single run, over its examples; None for several."""

    def __str__(self) -> str:
        """`93.1 ± 0.4 %`, or `93.1 % (90.4-95.1)` for a single run."""
        if self.deviation is not None:
            return f"{100 * self.mean:.1f} ± {100 * self.deviation:.1f} %"
        low, high = self.interval or (math.nan, math.nan)
        return f"{100 * self.mean:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


@dataclass(frozen=True)
class Row:
    """One network of one recipe over its seeds."""

    name: str
    network: str
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class Comparison:
    """The table, and warnings about what in it does not compare."""

    rows: tuple[Row, ...]
    warnings: tuple[str, ...]

    def columns(self) -> list[str]:
        """Every accuracy that some row has; norms and the worst case last."""
        return list(in_order(dict.fromkeys(part for row in self.rows for part in row.figures)))

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows as text; '-' where a row lacks an accuracy, a network column only where networks differ."""
        several = len({row.network for row in self.rows}) > 1
        columns = self.columns()
        rows = [
            [row.name, *([row.network] if several else []), ", ".join(map(str, row.seeds))]
            + [str(row.figures.get(column, "-")) for column in columns]
            for row in self.rows
        ]
        return ["recipe", *(["network"] if several else []), "seeds", *columns], rows

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "rows": [
                {**vars(row), "figures": {part: vars(figure) for part, figure in row.figures.items()}}
                for row in self.rows
            ],
            "warnings": list(self.warnings),
        }


def compare(runs: Sequence[ComparedRun], network: str = "global") -> Comparison:
    """Put finished runs side by side.

    Runs of one recipe's name whose recipes differ in nothing but the seed (or device and threads) become one row; other
    runs of that name stay apart, with a warning.

    Args:
        runs: at least one.
        network: `global`, a learner's name, or `all`.

    Raises:
        InputError: a run has no such network.
    """
    groups, warnings = _grouped(runs)
    rows = []
    for name, group in groups:
        members = sorted(group, key=lambda run: run.report["seed"])
        for chosen in _networks(members, network):
            rows.append(_row(name, chosen, members))
    return Comparison(tuple(rows), (*warnings, *_cautions(runs)))


def _row(name: str, network: str, runs: Sequence[ComparedRun]) -> Row:
    held = [figures(run.report, network) for run in runs]
    parts = [part for part in held[0] if all(part in found for found in held)]
    found = {part: figure([found[part] for found in held]) for part in parts}
    return Row(name, network, tuple(run.report["seed"] for run in runs), tuple(run.label for run in runs), found)


def figure(accuracies: Sequence[Mapping[str, Any]]) -> Figure:
    """The figure of one accuracy over runs, each as report.json holds it."""
    shares = [accuracy["accuracy"] for accuracy in accuracies]
    mean = math.fsum(shares) / len(shares)
    if len(shares) == 1:
        low, high = accuracies[0]["interval"]
        return Figure(mean, 1, None, (low, high))
    squares = math.fsum((share - mean) ** 2 for share in shares)
    return Figure(mean, len(shares), math.sqrt(squares / (len(shares) - 1)), None)


def _grouped(runs: Sequence[ComparedRun]) -> tuple[list[tuple[str, list[ComparedRun]]], list[str]]:
    """Rows-to-be, in the order of the runs, and warnings about runs of one name that are not one recipe."""
    groups: list[list[ComparedRun]] = []
    for run in runs:
        home = next((group for group in groups if not _difference(group[0], run)), None)
        if home is None:
            groups.append([run])
        else:
            home.append(run)
    warnings, named = [], []
    for group in groups:
        name = group[0].report["name"]
        first = next(other for other in groups if other[0].report["name"] == name)
        alone = all(other is group for other in groups if other[0].report["name"] == name)
        named.append((name if alone else f"{name} ({group[0].label})", group))
        if first is not group:
            different = "; ".join(_difference(first[0], group[0]))
            text = (
                f"{first[0].label} and {group[0].label} are both named {name} but are different recipes, so they are "
            )
            warnings.append(f"{text}not averaged: {different}")
        warnings += _repeated_seeds(group)
        roots = {run.label: _section(run, "dataset").get("root") for run in group}
        warnings += _unlike(f"{name}: the folder of the data is", roots)
    return named, warnings


def _difference(first: ComparedRun, second: ComparedRun) -> list[str]:
    """In what two runs are different recipes, other than the seed and where they ran; with both values."""
    found = differences(_settings(first.recipe), _settings(second.recipe))
    return [text.replace(" then,", f" in {first.label},").replace(" now", f" in {second.label}") for text in found]


def _settings(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a recipe this recipe: not where it ran, nor the folder in which the data lay there."""
    kept = {key: value for key, value in recipe.items() if key not in _FREE}
    if isinstance(kept.get("dataset"), Mapping):
        kept["dataset"] = {key: value for key, value in kept["dataset"].items() if key != "root"}
    return kept


def _section(run: ComparedRun, name: str) -> Mapping[str, Any]:
    section = run.recipe.get(name)
    return section if isinstance(section, Mapping) else {}


def _repeated_seeds(runs: Sequence[ComparedRun]) -> Iterator[str]:
    by_seed: dict[int, list[str]] = {}
    for run in runs:
        by_seed.setdefault(run.report["seed"], []).append(run.label)
    for seed, labels in by_seed.items():
        if len(labels) > 1:
            together = " and ".join(labels)
            yield f"{together} have the same seed, {seed}: they are not independent, the deviation is too small."


def _networks(runs: Sequence[ComparedRun], network: str) -> list[str]:
    names = list(runs[0].report["networks"])
    if network == ALL:
        return names
    if network not in names:
        raise InputError(
            f"{runs[0].label}: no network {network!r}.{did_you_mean(network, names)} {known([*names, ALL])}"
        )
    return [network]


def _cautions(runs: Sequence[ComparedRun]) -> Iterator[str]:
    """What runs must have in common for their figures to be compared, and have not."""
    yield from _unlike("the number of test examples is", {run.label: run.report["examples"]["test"] for run in runs})
    for name in dict.fromkeys(name for run in runs for name in run.report["attacks"]):
        attacks = {run.label: run.report["attacks"][name] for run in runs if name in run.report["attacks"]}
        first, *others = attacks
        for other in others:
            found = differences(attacks[first], attacks[other])
            if found:
                text = "; ".join(found).replace(" then,", f" in {first},").replace(" now", f" in {other}")
                yield f"{name} is not the same attack everywhere: {text}"
    worst = {run.label: sorted(run.report["attacks"]) for run in runs if len(run.report["attacks"]) > 1}
    yield from _unlike("the attacks behind worst-case are", {label: ", ".join(names) for label, names in worst.items()})
    yield from (f"{run.label}: {run.report['norms_left_out']}" for run in runs if "norms_left_out" in run.report)
    yield from _unlike("the data set is", {run.label: _section(run, "dataset").get("use") for run in runs})


def _unlike(what: str, values: Mapping[str, Any]) -> Iterator[str]:
    """A warning where the values are not all the same, with one run for each value."""
    examples: dict[Any, str] = {}
    for label, value in values.items():
        examples.setdefault(value, label)
    if len(examples) > 1:
        listed = "; ".join(f"{value} in {label}" for value, label in examples.items())
        yield f"{what} not the same everywhere: {listed}."
