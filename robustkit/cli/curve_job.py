"""What `robustkit curves` does: it measures one kind of curve after the other, and says what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from robustkit.cli.attack_spec import parse_attacks
from robustkit.cli.curve_files import file_name
from robustkit.cli.curve_network import Network, open_networks
from robustkit.cli.screen import progress_display
from robustkit.components.attack import Attack
from robustkit.components.fields import number
from robustkit.components.randomness import derive
from robustkit.curves.eps_curve import EpsCurve, eps_curve, eps_label, eps_values
from robustkit.curves.loss_surface import loss_surface
from robustkit.curves.steps_curve import StepsCurve, step_counts, steps_curve, steps_label
from robustkit.curves.trade_off import trade_off
from robustkit.curves.variation import holder_of
from robustkit.engine.folder import RunFolder
from robustkit.engine.launch import surroundings
from robustkit.errors import InputError
from robustkit.evaluation.measurement import Accuracy
from robustkit.plugin.registry import Registry
from robustkit.recipe.lock import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from robustkit.cli.progress import Progress


@dataclass(frozen=True)
class Found:
    """One plot to be written."""

    name: str
    title: str
    data: Mapping[str, Any]
    figure: Callable[[], Figure]
    cautions: Sequence[str] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=list)


@dataclass(frozen=True)
class CurveJob:
    """The sources, and how they are measured."""

    sources: Sequence[Path]
    networks: Sequence[Network]
    attacks: Mapping[str, Attack]
    options: Mapping[str, Any]

    @classmethod
    def opened(cls, sources: Sequence[Path], registry: Registry, options: Mapping[str, Any]) -> CurveJob:
        """Open the sources.

        Raises:
            RobustkitError: as `open_subject`; or the attack's spec cannot be read.
        """
        networks = open_networks(sources, registry, options)
        given = parse_attacks([options["spec"]] if options["spec"] else [], registry)
        return cls(sources, networks, given or networks[0].recipe.evaluation.final_attacks, options)

    def possible(self) -> tuple[str, ...]:
        """The kinds of curves that sources and attacks allow."""
        kinds = [kind for kind in ("eps", "steps", "surface") if self._suiting(kind)]
        if all(source.is_dir() and RunFolder(source).metrics.is_file() for source in self.sources):
            kinds.append("trade-off")
        if not kinds:
            raise InputError("the recipe names no final_attacks, so there is nothing to draw. Name one: --attack SPEC.")
        return tuple(kinds)

    def names(self, kind: str) -> list[str]:
        """The files' names, without their endings."""
        if kind != "surface" or len(self.networks) == 1:
            return [kind]
        return [file_name(kind, network.label) for network in self.networks]

    def measured(self, kinds: Sequence[str]) -> list[Found]:
        """Every plot of these kinds.

        Raises:
            RobustkitError: an attack does not suit a kind, data are missing, a source is no run.
        """
        attacks = {kind: self._attack(kind) for kind in kinds if kind != "trade-off"}
        recipe = self.networks[0].recipe
        found = []
        with surroundings(recipe), progress_display(quiet=self.options["quiet"], err=True) as display:
            labels = [
                label for kind in ("eps", "steps") if kind in attacks for label in self._labels(kind, *attacks[kind])
            ]
            if labels:
                display.evaluation_started([network.label for network in self.networks], labels)
            for kind in kinds:
                if kind == "trade-off":
                    found.append(self._trade_off())
                elif kind == "surface":
                    found += self._surfaces(*attacks[kind], display)
                else:
                    found.append(self._series(kind, *attacks[kind], display))
        return found

    def _suiting(self, kind: str) -> list[str]:
        """The names of the attacks over which such a curve can be drawn."""
        return [name for name, attack in self.attacks.items() if _suits(kind, attack)]

    def _attack(self, kind: str) -> tuple[str, Attack]:
        names = self._suiting(kind)
        if not names:
            tried = ", ".join(self.attacks) or "none is named"
            needs = {"eps": "with an eps", "steps": "with steps", "surface": "with an eps"}[kind]
            raise InputError(f"{kind} needs an attack {needs}, got {tried}. Name one: --attack SPEC.")
        return names[0], self.attacks[names[0]]

    @cached_property
    def _eps(self) -> list[float] | None:
        return _numbers(self.options["eps"], "--eps")

    @cached_property
    def _steps(self) -> list[int] | None:
        steps = _numbers(self.options["steps"], "--steps")
        if steps is not None and any(value != int(value) for value in steps):
            raise InputError(f"--steps {self.options['steps']}: expected whole numbers.")
        return None if steps is None else [int(value) for value in steps]

    def _labels(self, kind: str, name: str, attack: Attack) -> list[str]:
        """What the progress display hears of."""
        if kind == "steps":
            return [steps_label(count) for count in step_counts(attack, self._steps)]
        return [eps_label(eps) for eps in eps_values(attack, self.networks[0].examples, self._eps) if eps]

    def _series(self, kind: str, name: str, attack: Attack, display: Progress) -> Found:
        """One plot over eps or steps, a line a network."""
        from robustkit.reporting.drawing import draw_eps_curve, draw_steps_curve

        curves: dict[str, Any] = {}
        for network in self.networks:
            recipe = network.recipe

            def report(part: str, done: int, total: int, label: str = network.label) -> None:
                display.measuring(label, part, done, total)

            settings: dict[str, Any] = {
                "name": name,
                "batch_size": self.options["batch_size"] or recipe.evaluation.batch_size,
                "seed": derive(recipe.seed, "evaluation"),
                "report": report,
                "compute": recipe.compute,
            }
            model, test = network.model(display.warned), network.examples
            if kind == "eps":
                settings |= {"eps": self._eps, "nested": self.options["nested"]}
                curves[network.label] = eps_curve(model, test, attack, **settings)
            else:
                curves[network.label] = steps_curve(model, test, attack, steps=self._steps, **settings)
        draw: Any = draw_eps_curve if kind == "eps" else draw_steps_curve
        drawn = curves if len(curves) > 1 else next(iter(curves.values()))
        head, rows = _table(kind, curves)
        return Found(
            name=kind,
            title=f"Robust accuracy over {kind} under {name}",
            data=self._data(curves),
            figure=lambda: draw(drawn),
            cautions=[f"{label}, {name}: {text}" for label, curve in curves.items() for text in curve.cautions()],
            head=head,
            rows=rows,
        )

    def _surfaces(self, name: str, attack: Attack, display: Progress) -> list[Found]:
        from robustkit.reporting.drawing import draw_loss_surface

        found = []
        for file, network in zip(self.names("surface"), self.networks, strict=True):
            test, index = network.examples, self.options["example"]
            if index >= len(test):
                raise InputError(f"--example {index}: there are {len(test)} test examples, the first is 0.")
            image, label = test.images(torch.tensor([index], device=test.labels.device))[0], int(test.labels[index])
            seed = derive(network.recipe.seed, "evaluation")
            surface = loss_surface(network.model(display.warned), image, label, attack, seed=seed)
            data = {**self._data({network.label: surface}), "example": index}
            title = f"Margin and cross-entropy around test example {index}, {network.label}, under {name}"
            found.append(Found(file, title, data, lambda surface=surface: draw_loss_surface(surface)))  # type: ignore[misc]
        return found

    def _trade_off(self) -> Found:
        from robustkit.reporting.drawing import draw_trade_off

        plane = trade_off(list(self.sources))
        data = {"robustkit": version("robustkit-torch"), "curves": {"trade-off": plane.plain()}}
        title = "Natural against robust accuracy"
        return Found("trade-off", title, data, lambda: draw_trade_off(plane), plane.notes)

    def _data(self, curves: Mapping[str, Any]) -> dict[str, Any]:
        """What the JSON file holds."""
        used = [network for network in self.networks if network.label in curves]
        return {
            "robustkit": version("robustkit-torch"),
            "weights": {network.label: str(network.file) for network in used},
            "dataset": plain(used[0].recipe.dataset),
            "examples": {"test": len(used[0].examples)},
            "seed": used[0].recipe.seed,
            "curves": {label: curve.plain() for label, curve in curves.items()},
        }


def _suits(kind: str, attack: Attack) -> bool:
    if kind != "steps" and attack.budget is None:
        return False
    try:
        holder_of(attack, "steps" if kind == "steps" else "eps")
    except InputError:
        return kind == "surface"
    return True


def _numbers(text: str | None, option: str) -> list[float] | None:
    """`0,4/255,8/255` as numbers."""
    if text is None:
        return None
    values = [number(word) for word in text.split(",")]
    if any(value is None for value in values):
        raise InputError(f"{option} {text!r}: expected numbers separated by commas, for example 0,4/255,8/255.")
    return [float(value) for value in values if value is not None]


def _table(kind: str, curves: Mapping[str, EpsCurve | StepsCurve]) -> tuple[list[str], list[list[str]]]:
    """One row a point, one column a network; networks on other images may have other points."""
    cells: dict[float, dict[str, Accuracy]] = {}
    for label, curve in curves.items():
        points = curve.eps if isinstance(curve, EpsCurve) else curve.steps
        for point, found in zip(points, curve.accuracies, strict=True):
            cells.setdefault(point, {})[label] = found
    rows = [[f"{point:.4g}", *(str(cells[point].get(label, "-")) for label in curves)] for point in sorted(cells)]
    return [kind, *curves], rows
