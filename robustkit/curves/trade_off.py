"""Natural against robust accuracy: where every network of some runs lies, and how it came there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robustkit.curves.measuring import accuracy_from
from robustkit.engine.results import FinishedRun
from robustkit.errors import InputError, did_you_mean, known
from robustkit.evaluation.measurement import Accuracy

GLOBAL = "global"
WORST = "worst-case"


@dataclass(frozen=True)
class Trace:
    """One network of one run."""

    run: str
    """The run's label: its folder's name, or its path where two folders have one name."""
    network: str
    """`global`, or the learner's name."""
    epochs: tuple[int, ...]
    """Those after which it was measured on the validation split."""
    natural: tuple[float, ...]
    """Natural accuracy on the validation split after each of these epochs, in [0, 1]."""
    robust: tuple[float, ...]
    """Accuracy under `TradeOff.attack`, likewise."""
    final: tuple[Accuracy, Accuracy] | None
    """Natural and robust accuracy (under `TradeOff.final_attack`) of the kept weights on the test split, with their
    intervals; None for a run that is not finished, or was tested under no attack."""


@dataclass(frozen=True)
class TradeOff:
    """The plane of natural and robust accuracy, in which runs and learners leave their traces."""

    attack: str | None
    """The attack on the validation split, by its name in the recipes; None where there is no path."""
    final_attack: str | None
    """The attack on the test split, or `worst-case` over several; None where there are no final figures."""
    traces: tuple[Trace, ...]
    notes: tuple[str, ...] = ()
    """What in the picture does not compare."""

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "curve": "trade-off",
            "attack": self.attack,
            "final_attack": self.final_attack,
            "notes": list(self.notes),
            "traces": [
                {
                    "run": trace.run,
                    "network": trace.network,
                    "epochs": list(trace.epochs),
                    "natural": list(trace.natural),
                    "robust": list(trace.robust),
                    "final": [found.plain() for found in trace.final] if trace.final else None,
                }
                for trace in self.traces
            ],
        }

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> TradeOff:
        """The plane that `plain` wrote."""
        traces = []
        for trace in data["traces"]:
            listed = {key: tuple(trace[key]) for key in ("epochs", "natural", "robust")}
            final = (accuracy_from(trace["final"][0]), accuracy_from(trace["final"][1])) if trace["final"] else None
            traces.append(Trace(run=trace["run"], network=trace["network"], final=final, **listed))
        return cls(data["attack"], data["final_attack"], tuple(traces), tuple(data["notes"]))


def trade_off(
    runs: FinishedRun | str | Path | Sequence[FinishedRun | str | Path],
    *,
    attack: str | None = None,
    final_attack: str | None = None,
) -> TradeOff:
    """Read the plane from results folders; nothing is measured.

    The path is what the runs measured on their validation splits after some epochs; the final figures are those of the
    kept weights on the test split. These are two splits and, as a rule, two attacks: they do not lie on one line.

    Args:
        runs: results folders; also unfinished ones, of which there is only the path.
        attack: which of the runs' validation attacks the path shows; by default the first that all runs have.
        final_attack: which of the final attacks; by default `worst-case` where all runs have it, else the first.

    Raises:
        WeightsError: a folder holds no run.
        InputError: the runs have no such attack in common, or nothing was measured.
    """
    listed = [runs] if isinstance(runs, FinishedRun | str | Path) else list(runs)
    opened = [run if isinstance(run, FinishedRun) else FinishedRun(run) for run in listed]
    read = [_Read(run, label) for run, label in zip(opened, _labels(opened), strict=True)]
    measured = [names for run in read if (names := run.validation_attacks())]
    tested = [names for run in read if (names := run.final_attacks())]
    if not measured and not tested:
        raise InputError(
            "nothing to draw: the runs have neither measured validation examples under an attack (evaluation.attacks) "
            "nor finished with one (evaluation.final_attacks)."
        )
    on_path = _common(measured, attack, "validation") if measured else None
    at_end = _common(tested, final_attack, "final", first=WORST) if tested else None
    traces = tuple(trace for run in read for trace in run.traces(on_path, at_end))
    return TradeOff(on_path, at_end, traces, tuple(_notes(read, at_end)))


@dataclass(frozen=True)
class _Read:
    """One results folder's figures."""

    run: FinishedRun
    label: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The epochs after which the networks were measured."""
        metrics = self.run.metrics if self.run.folder.metrics.is_file() else []
        return [line for line in metrics if "validation" in line[GLOBAL]]

    @property
    def report(self) -> dict[str, Any]:
        return self.run.report if self.run.folder.report.is_file() else {}

    def validation_attacks(self) -> list[str]:
        found = self.lines[0][GLOBAL]["validation"] if self.lines else {}
        return [name for name in found if name != "natural"]

    def final_attacks(self) -> list[str]:
        return [name for name in self.report.get("networks", {}).get(GLOBAL, {}) if name != "natural"]

    def traces(self, attack: str | None, final_attack: str | None) -> Iterable[Trace]:
        lines = self.lines if attack in self.validation_attacks() else []
        networks = self.report.get("networks", {})
        for name in [GLOBAL, *(lines[0]["learners"] if lines else (key for key in networks if key != GLOBAL))]:
            found = [line[GLOBAL] if name == GLOBAL else line["learners"][name] for line in lines]
            final = None
            if final_attack in networks.get(name, {}):
                final = accuracy_from(networks[name]["natural"]), accuracy_from(networks[name][final_attack])
            yield Trace(
                run=self.label,
                network=name,
                epochs=tuple(line["epoch"] for line in lines),
                natural=tuple(part["validation"]["natural"] for part in found),
                robust=tuple(part["validation"][attack] for part in found),
                final=final,
            )


def _labels(runs: Sequence[FinishedRun]) -> list[str]:
    names = [run.path.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def _common(named: Sequence[list[str]], asked: str | None, what: str, first: str = "") -> str:
    """The attack that was asked for or, by default, `first` or the first that all have."""
    shared = [name for name in named[0] if all(name in others for others in named)]
    if asked is not None and asked not in shared:
        raise InputError(
            f"the runs have no {what} attack {asked!r} in common.{did_you_mean(asked, shared)} {known(shared)}"
        )
    if not shared:
        listed = "; ".join(", ".join(names) for names in named)
        raise InputError(f"the runs have no {what} attack in common: {listed}.")
    return asked or (first if first in shared else shared[0])


def _notes(read: Sequence[_Read], final_attack: str | None) -> Iterable[str]:
    """Runs whose final figures do not mean the same."""
    finished = [run for run in read if run.report]
    for other in finished[1:]:
        base = finished[0]
        ours, theirs = (run.report["attacks"] for run in (base, other))
        if final_attack != WORST:
            ours, theirs = ({final_attack: found.get(final_attack)} for found in (ours, theirs))
        if ours != theirs:
            yield f"{final_attack} is not the same attack in {base.label} and {other.label}."
        if base.report["examples"]["test"] != other.report["examples"]["test"]:
            yield f"{base.label} and {other.label} were tested on different numbers of examples."
