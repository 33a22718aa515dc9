"""Everything a page is made of, read from one results folder and checked."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from robustkit.components.attack import Attack, Budget
from robustkit.curves.reading import Curve, read_curves
from robustkit.engine.folder import RunFolder
from robustkit.errors import InputError, WeightsError
from robustkit.evaluation.comparison import ComparedRun
from robustkit.evaluation.measurement import AVERAGE, Accuracy, Average, Share, norm_label
from robustkit.evaluation.norms import in_order
from robustkit.evaluation.outcome import Record
from robustkit.evaluation.store import read_record
from robustkit.models.files import read_tensors
from robustkit.plugin.manager import installed
from robustkit.plugin.registry import Registry
from robustkit.recipe.builder import Builder
from robustkit.reporting.finished import read_finished
from robustkit.reporting.quantities import accuracy_of
from robustkit.reporting.shapes import DiagnosisShape, MetricsLineShape, ReportShape, checked

WORST = "worst-case"


@dataclass(frozen=True)
class Source:
    """A finished run or evaluation."""

    path: Path
    report: Mapping[str, Any]
    recipe: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]] = ()
    """Of runs only."""
    records: Mapping[str, Record] = field(default_factory=dict)
    """What became of each example, by network; empty where the folder has none."""
    class_names: Sequence[str] | None = None
    """None where the folder does not hold them."""
    budgets: Mapping[str, tuple[Budget, ...]] = field(default_factory=dict)
    """Of the final attacks; those without one, or whose plugin is not here, have none."""
    diagnosis: Mapping[str, Any] | None = None
    curves: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    """By the names of their files, and within one by network."""

    @property
    def label(self) -> str:
        """The folder, as it was named."""
        return str(self.path)

    @property
    def compared(self) -> ComparedRun:
        """As `compare` takes it."""
        return ComparedRun(self.label, self.report, self.recipe)

    @property
    def is_run(self) -> bool:
        """Whether networks were trained here; else they were evaluated only."""
        return "weights" not in self.lock

    @property
    def subject(self) -> str:
        """What commands that measure again take: the run, or the weights that were evaluated and their recipe."""
        file = self.report.get("weights", {}).get(self.main, {}).get("file")
        if file is None:
            return shlex.quote(self.label)
        return f"{shlex.quote(file)} --data {shlex.quote(f'{self.path}/lock.yaml')}"

    @property
    def lock(self) -> Mapping[str, Any]:
        """What the figures were made on."""
        lock = self.recipe.get("lock")
        return lock if isinstance(lock, Mapping) else {}

    @property
    def networks(self) -> dict[str, dict[str, Accuracy]]:
        """The accuracies of each network, by natural, attack and worst-case."""
        networks = self.report["networks"]
        return {name: {part: accuracy_of(held) for part, held in found.items()} for name, found in networks.items()}

    @property
    def figures(self) -> dict[str, dict[str, Share]]:
        """The same with those by norm, in the order of tables; averages are made anew from their parts."""
        found: dict[str, dict[str, Share]] = {}
        for name, held in self.networks.items():
            norms = {norm: accuracy_of(part) for norm, part in self._by_norm(name).items() if norm != AVERAGE}
            shares: dict[str, Share] = {**held, **{norm_label(norm): part for norm, part in norms.items()}}
            found[name] = in_order(shares | ({norm_label(AVERAGE): Average(tuple(norms.values()))} if norms else {}))
        return found

    @property
    def main(self) -> str:
        """The network the page speaks of first: the global learner where it was measured."""
        names = list(self.report["networks"])
        return "global" if "global" in names else names[0]

    @property
    def attacks(self) -> dict[str, dict[str, Any]]:
        """The final attacks, as a recipe holds them."""
        attacks: dict[str, dict[str, Any]] = self.report["attacks"]
        return attacks

    @property
    def dropped(self) -> bool:
        """Whether broken examples were not attacked again, so that an attack's figure includes those before it."""
        return bool(self.report.get("manner", {}).get("drop_broken", False))

    def robust(self, network: str) -> tuple[str, Accuracy] | None:
        """A network's worst case, or the figure of its only attack; None without attacks."""
        found = self.networks[network]
        part = WORST if WORST in found else next((name for name in found if name != "natural"), None)
        return None if part is None else (part, found[part])

    def _by_norm(self, network: str) -> dict[str, Any]:
        return dict(self.report.get("norms", {}).get(network, {}))

    def class_name(self, number: int) -> str:
        """A class, by name where names are known."""
        return self.class_names[number] if self.class_names else str(number)


def read_source(path: Path, registry: Registry | None = None, *, doctor: Path | None = None) -> Source:
    """Read a results folder.

    Args:
        path: of a finished run or evaluation.
        registry: where attacks are looked up for their budgets; by default, the installed plugins.
        doctor: what `robustkit doctor` wrote; by default doctor.json in the folder, where it is there.

    Raises:
        WeightsError: it is none, it is not finished, or a file in it is damaged.
    """
    finished, folder = read_finished(path), RunFolder(path)
    report = checked(ReportShape, finished.report, folder.report, "a report")
    _check_figures(report, folder.report)
    metrics = folder.read_metrics() if folder.metrics.is_file() else []
    _check_metrics(metrics, folder.metrics)
    records = {name: _record(folder.examples(name), report, name) for name in report["networks"]}
    found = {name: record for name, record in records.items() if record is not None}
    return Source(
        path,
        report,
        finished.recipe,
        metrics,
        found,
        _class_names(folder, list(report["networks"]), found),
        _budgets(report["attacks"], registry or installed().registry),
        _diagnosis(path / "doctor.json" if doctor is None else doctor, asked=doctor is not None),
        _curves(path / "curves"),
    )


def _budgets(attacks: Mapping[str, Any], registry: Registry) -> dict[str, tuple[Budget, ...]]:
    builder = Builder(registry)
    built = {name: builder.build(Attack, data) for name, data in attacks.items()}
    return {name: attack.budgets for name, (attack, problems) in built.items() if not problems and attack.budgets}


def _check_figures(report: Mapping[str, Any], path: Path) -> None:
    if not report["networks"]:
        raise WeightsError(f"{path}: it is damaged: there is no network in it.")
    for network, parts in report["networks"].items():
        norms = report.get("norms", {}).get(network, {})
        norms = {norm_label(norm): held for norm, held in norms.items() if norm != AVERAGE}
        if "natural" not in parts:
            raise WeightsError(f"{path}: it is damaged: {network} has no natural accuracy.")
        for part, found in {**parts, **norms}.items():
            if not 0 <= found["correct"] <= found["examples"] or not found["examples"]:
                text = f"{found['correct']} of {found['examples']} examples"
                raise WeightsError(f"{path}: it is damaged: {network}, {part}: {text} cannot be right.")


def _check_metrics(metrics: Sequence[Any], path: Path) -> None:
    for line in metrics:
        checked(MetricsLineShape, line, path, "what an epoch measured")
    if len({tuple(line["learners"]) for line in metrics}) > 1:
        raise WeightsError(f"{path}: it is damaged: the learners are not the same in all lines.")
    networks = [[line["global"], *line["learners"].values()] for line in metrics if "validation" in line["global"]]
    if len({tuple(network.get("validation", ())) for line in networks for network in line}) > 1:
        raise WeightsError(f"{path}: it is damaged: what was measured is not the same in all lines.")


def _record(path: Path, report: Mapping[str, Any], network: str) -> Record | None:
    """A network's examples, if they are there; they must be those of the report."""
    if not path.is_file():
        return None
    record, _ = read_record(path)
    figures, listed = report["networks"][network], list(report["attacks"])
    if set(record.attacks) != set(listed) or "natural" not in record.outcomes or not len(record.labels):
        raise WeightsError(
            f"{path}: its attacks are not those of report.json beside it: they belong to two evaluations."
        )
    right = record.outcomes["natural"].prediction == record.labels
    counts = {"natural": int(right.sum())}
    if WORST in figures:
        counts[WORST] = int((right & (record.broken_by < 0)).sum())
    for part, count in counts.items():
        if part not in figures or (count, len(right)) != (figures[part]["correct"], figures[part]["examples"]):
            found = f"{count} of {len(right)} examples right ({part})"
            raise WeightsError(f"{path}: {found}, report.json says otherwise: they belong to two evaluations.")
    return record


def _class_names(folder: RunFolder, networks: Sequence[str], records: Mapping[str, Record]) -> list[str] | None:
    """The classes' names, as the weights hold them."""
    held = next((path for name in networks if (path := folder.weights(name)).is_file()), None)
    if held is None:
        return None
    names = read_tensors(held)[1].get("class_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise WeightsError(f"{held}: its header lacks class_names.")
    largest = max((int(torch.max(record.labels)) for record in records.values()), default=-1)
    if largest >= len(names):
        raise WeightsError(f"{held}: it names {len(names)} classes, but there are examples of class {largest}.")
    return names


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: expected JSON, it cannot be read: {error}.") from error


def _diagnosis(path: Path, *, asked: bool) -> Mapping[str, Any] | None:
    if not path.is_file():
        if asked:
            raise WeightsError(f"{path}: there is no such file. robustkit doctor writes it.")
        return None
    found: Mapping[str, Any] = checked(DiagnosisShape, _read_json(path), path, "what `robustkit doctor` writes")
    return found


def _curves(folder: Path) -> dict[str, dict[str, Curve]]:
    """What `robustkit curves --output FOLDER/curves` wrote."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = read_curves(path)
        except InputError as error:
            raise WeightsError(f"{path} cannot be shown: {error}") from error
    return found
