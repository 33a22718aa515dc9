"""Curves that `robustkit curves` left in the folder."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.figure import Figure

from robustkit.curves.eps_curve import EpsCurve
from robustkit.curves.loss_surface import LossSurface
from robustkit.curves.mix_path import MixPath
from robustkit.curves.reading import Curve
from robustkit.curves.steps_curve import StepsCurve
from robustkit.reporting.captions import Captions, Section, bullets, note
from robustkit.reporting.drawing import (
    draw_eps_curve,
    draw_loss_surface,
    draw_mix_path,
    draw_steps_curve,
    draw_trade_off,
)
from robustkit.reporting.markup import Html, code, joined, paragraph
from robustkit.reporting.plots import plot
from robustkit.reporting.sections.threats import flat
from robustkit.reporting.source import Source


def curves(source: Source, captions: Captions) -> Section:
    """A figure for each curve, those over eps or steps of several networks in one; and what they warn of."""
    if not source.curves:
        command = code(f"robustkit curves {source.subject} --output {shlex.quote(f'{source.path}/curves')}")
        text = paragraph("Accuracy over eps and over attack steps was not measured. This does it: ", command, ".")
        return Section("curves", "Curves", note(text))
    parts = [part for name, held in source.curves.items() for part in _figures(name, held, captions)]
    return Section("curves", "Curves", joined(*parts))


def _figures(name: str, held: Mapping[str, Curve], captions: Captions) -> Iterator[Html]:
    together = len(held) > 1 and len({type(curve) for curve in held.values()}) == 1
    if together and isinstance(next(iter(held.values())), EpsCurve | StepsCurve):
        yield captions.figure(_caption(next(iter(held.values()))), plot(_overlay(held), f"Curves {name}"))
    else:
        for label, curve in held.items():
            drawn = plot(_drawing(curve), f"Curve {name} {label}", themed=not isinstance(curve, LossSurface))
            yield captions.figure(f"{label}. {_caption(curve)}", drawn)
    cautions = [
        f"{label}: {text}" for label, curve in held.items() if isinstance(curve, EpsCurve) for text in curve.cautions()
    ]
    if cautions:
        yield note(bullets(cautions), kind="warning")


def _overlay(held: Mapping[str, Any]) -> Figure:
    """Curves of one kind over each other."""
    over_eps = isinstance(next(iter(held.values())), EpsCurve)
    return draw_eps_curve(held) if over_eps else draw_steps_curve(held)


def _drawing(curve: Curve) -> Figure:
    if isinstance(curve, EpsCurve):
        return draw_eps_curve(curve)
    if isinstance(curve, StepsCurve):
        return draw_steps_curve(curve)
    if isinstance(curve, LossSurface):
        return draw_loss_surface(curve)
    return draw_mix_path(curve) if isinstance(curve, MixPath) else draw_trade_off(curve)


def _caption(curve: Curve) -> str:
    """What is seen, and under which attack."""
    bands = "95 % Wilson intervals"
    if isinstance(curve, EpsCurve):
        text = f"Accuracy over eps on {curve.accuracies[0].examples:,} examples; bands are {bands}. It must come to"
        return f"{text} nothing where any image is allowed. {_under(curve.attack)}"
    if isinstance(curve, StepsCurve):
        text = f"Accuracy over attack steps on {curve.accuracies[0].examples:,} examples; bands are {bands}."
        return f"{text} It should be flat at its right end. {_under(curve.attack)}"
    if isinstance(curve, LossSurface):
        return (
            "Margin and cross-entropy in a plane through one example: red is misclassified, the thick line is the "
            "decision boundary, the dashed one the attack's ball, the dot the clean image and the cross the attack's."
        )
    what = "Weighted means of the learners' weights" if isinstance(curve, MixPath) else "Networks"
    return f"{what}, natural against robust accuracy; bars and bands are {bands}."


def _under(attack: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in flat(attack) if key != "use")
    return f"The attack: {attack.get('use')} ({settings})."


def overlaid(sources: list[Source], captions: Captions) -> list[Html]:
    """The eps and steps curves of one network of several folders in one figure, where two or more have one."""
    found = []
    for kind, word in ((EpsCurve, "eps"), (StepsCurve, "steps")):
        held = {source.label: curve for source in sources if (curve := _of(source, kind)) is not None}
        if len(held) > 1:
            texts = {_caption(curve) for curve in held.values()}
            differ = "" if len(texts) == 1 else " The attacks or numbers of examples are not the same for all."
            drawn = plot(_overlay(held), f"Curves over {word}")
            found.append(captions.figure(f"{_caption(next(iter(held.values())))}{differ}", drawn))
    return found


def _of(source: Source, kind: type[Any]) -> Any:
    """The main network's curve of a kind, or None."""
    held = [found[source.main] for found in source.curves.values() if source.main in found]
    return next((curve for curve in held if isinstance(curve, kind)), None)
