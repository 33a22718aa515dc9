"""Curves read back from the JSON that they were written as."""

from __future__ import annotations

from collections.abc import Mapping
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
