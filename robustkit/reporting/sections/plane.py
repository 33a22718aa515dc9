"""Natural against robust accuracy of all networks."""

from __future__ import annotations

from collections.abc import Sequence

from robustkit.curves.trade_off import trade_off
from robustkit.reporting.captions import Captions, Section, bullets, note
from robustkit.reporting.drawing.trade_off_plot import draw_trade_off
from robustkit.reporting.markup import joined
from robustkit.reporting.plots import plot
from robustkit.reporting.source import WORST, Source

_TITLE = "Natural against robust accuracy"


def _has_plane(sources: Sequence[Source]) -> bool:
    """Whether all sources have a global learner, and attacks in common."""
    if any("global" not in source.networks for source in sources):
        return False
    ends = [{name for name in source.networks["global"] if name != "natural"} for source in sources]
    shared = set.intersection(*ends)
    paths = [
        set(source.metrics[-1]["global"].get("validation", {})) - {"natural"} for source in sources if source.metrics
    ]
    return bool(shared) and (not any(paths) or bool(set.intersection(*filter(None, paths))))


def plane(sources: Sequence[Source], captions: Captions) -> Section | None:
    """The plane; None where there is but one point, or the sources have no attack in common."""
    if not _has_plane(sources):
        return None
    found = trade_off([source.path for source in sources])
    if sum(len(trace.epochs) + (trace.final is not None) for trace in found.traces) < 2:
        return None
    under = "the worst case over all attacks" if found.final_attack == WORST else f"the attack {found.final_attack}"
    path = ""
    if found.attack:
        path = (
            f" Small dots joined by lines are accuracies on the validation split under {found.attack}, epoch by epoch: "
            "another split and as a rule another attack, so they need not lead to the large marks."
        )
    caption = f"Large marks: test accuracy, natural and under {under}; bars are 95 % Wilson intervals.{path}"
    notes = note(bullets(found.notes), kind="warning") if found.notes else ""
    drawn = plot(draw_trade_off(found), "Trade-off plane")
    return Section("trade-off", _TITLE, joined(notes, captions.figure(caption, drawn)))
