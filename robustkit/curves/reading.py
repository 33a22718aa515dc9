"""Curves read back from the JSON that they were written as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustkit.curves.eps_curve import EpsCurve
from robustkit.curves.loss_surface import LossSurface
from robustkit.curves.mix_path import MixPath
from robustkit.curves.steps_curve import StepsCurve
from robustkit.curves.trade_off import TradeOff
from robustkit.errors import InputError, known

Curve = EpsCurve | StepsCurve | LossSurface | TradeOff | MixPath

_KINDS: Mapping[str, Any] = {
    "eps": EpsCurve,
    "steps": StepsCurve,
    "surface": LossSurface,
    "trade-off": TradeOff,
    "mix": MixPath,
}


def curve_from(data: Any) -> Curve:
    """The curve whose `plain()` this is.

    Raises:
        InputError: it is none, or a part is missing.
    """
    kind = str(data.get("curve")) if isinstance(data, Mapping) else "none"
    if kind not in _KINDS:
        raise InputError(f"expected a curve of robustkit's, got one of kind {kind}. {known(_KINDS)}")
    try:
        curve: Curve = _KINDS[kind].from_plain(data)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"this {kind} curve is damaged: {type(error).__name__}: {error}.") from error
    return curve


def read_curves(path: str | Path) -> dict[str, Curve]:
    """The curves of a JSON file that `robustkit curves` or `robustkit mix` wrote, by their labels.

    Raises:
        InputError: there is no such file, or it holds no curves.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected JSON with curves, it cannot be read: {error}.") from error
    curves = data.get("curves") if isinstance(data, Mapping) else None
    if not isinstance(curves, Mapping):
        raise InputError(f"{path}: expected JSON with curves, as `robustkit curves` writes it.")
    return {label: curve_from(curve) for label, curve in curves.items()}
