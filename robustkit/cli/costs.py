"""Costs to be read: a step's table, phase by phase; big figures with their prefixes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from robustkit.cli.kinds import counted
from robustkit.cli.output import table
from robustkit.cli.progress import duration

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def amount(value: float, unit: str) -> str:
    """`29.3 GFLOP`, `1.24 TFLOP/s`, `812 B`: three digits and a prefix."""
    power = 0
    while abs(value) >= 999.5 and power < len(_PREFIXES) - 1:
        value, power = value / 1000, power + 1
    digits = 0 if value >= 99.95 or power == 0 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {_PREFIXES[power]}{unit}"


def step_time(seconds: float) -> str:
    """`12.4 ms`, and from ten seconds on as durations are."""
    if seconds >= 10:
        return duration(seconds)
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.{1 if seconds >= 0.01 else 2}f} ms"


def percent(share: float) -> str:
    """`8.1 %`."""
    return f"{100 * share:.1f} %"


def step_table(step: Mapping[str, Any]) -> str:
    """A step's time and operations by phase; `of peak` is the share of the measured convolution peak."""
    rows = [_row(phase, found) for phase, found in step["phases"].items()]
    whole = {**step, "share_of_time": 1.0, "precision": ""}
    return table(["phase", "time a step", "share", "FLOP", "FLOP/s", "of peak", ""], [*rows, _row("step", whole)])


def peaks_text(step: Mapping[str, Any]) -> str:
    """What the shares of the peak are shares of."""
    peaks = " and ".join(f"{amount(peak, 'FLOP/s')} in {name}" for name, peak in step["peaks"].items())
    return f"The peak is that of ResNet-18's 3x3 convolutions alone, measured here: {peaks}."


def profile_text(profile: Mapping[str, Any], path: str) -> str:
    """profile.json, to be read.

    Args:
        profile: its content.
        path: where it lies.
    """
    steps, step, outside = profile["steps"], profile["step"], profile["seconds_outside_steps"]
    if step is None:
        return f"Only {counted(steps['left_out'], 'step')} ran, and the first are not timed: no profile. See {path}"
    lines = [
        step_table(step),
        "",
        f"{step['images_per_second']:,.0f} images/s over {counted(steps['timed'], 'step')} of {step['images']:,} "
        f"examples; {steps['left_out']} more are not in it: they warmed up, were counted or traced.",
        peaks_text(step),
        f"Outside of steps: {duration(outside['evaluation'])} of evaluation, {duration(outside['other'])} of "
        f"checkpoints and checks. Peak memory: {amount(profile['peak_memory'], 'B')}.",
    ]
    if profile["waits_for_device"]:
        lines.append("The GPU was waited for at each phase's edges: without --profile, the run is faster.")
    traced = f", the trace in {profile['trace']} beside it (open it in ui.perfetto.dev)" if profile["trace"] else ""
    return "\n".join([*lines, f"Profile: {path}{traced}"])


def _row(name: str, found: Mapping[str, Any]) -> list[str]:
    start = [name, step_time(found["seconds"]), percent(found["share_of_time"])]
    if not found["flops"]:
        return [*start, "", "", "", ""]
    rate, share = amount(found["flops_per_second"], "FLOP/s"), percent(found["share_of_peak"])
    return [*start, amount(found["flops"], "FLOP"), rate, share, found["precision"]]
