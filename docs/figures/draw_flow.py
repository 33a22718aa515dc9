"""Draws how a recipe becomes a report."""

from __future__ import annotations

from shapes import arrow, box, frame, label, picture

_BLUE, _ORANGE = "#2a78b8", "#d1682c"
_STEPS = ("augment", "attack", "loss", "backward", "optimizer", "average")


def draw() -> str:
    """The flow as SVG text."""
    return picture(760, 440, _loading(), _batch(), _measuring())


def _loading() -> str:
    names = [
        ("recipe.yaml", "+ overrides"),
        ("Loader", "all problems at once"),
        ("Recipe", "a tree of components"),
        ("Run", "data, learners"),
    ]
    boxes = [box(20 + 190 * place, 14, 150, 50, name, below=below) for place, (name, below) in enumerate(names)]
    arrows = [arrow((170 + 190 * place, 39), (210 + 190 * place, 39)) for place in range(3)]
    return "".join([*boxes, *arrows, arrow((665, 64), (665, 98))])


def _batch() -> str:
    """The loop: learners step, the aggregator merges, and now and then deals out."""
    parts = [frame(20, 98, 720, 200, "for each batch"), frame(36, 128, 510, 100, "for each learner: Learner.step")]
    for place, step in enumerate(_STEPS):
        left = 46 + 83 * place
        parts.append(box(left, 164, 72, 42, step, tint=_ORANGE if step in ("attack", "loss") else ""))
        parts += [arrow((left + 72, 185), (left + 83, 185))] if place < len(_STEPS) - 1 else []
    parts.append(box(590, 156, 134, 58, "Aggregator", below="update(clock, ...)", tint=_BLUE))
    parts.append(arrow((546, 185), (590, 185)))
    parts.append(arrow((657, 214), (657, 262), (290, 262), (290, 228)))
    parts.append(label(302, 281, "Aggregator.redistributes(clock): go on from the merged weights", size=12))
    return "".join(parts)


def _measuring() -> str:
    names = [
        ("Evaluator", "global and every learner"),
        ("Checkpoint", "metrics.jsonl"),
        ("Report", "on the test split"),
    ]
    boxes = [box(20 + 270 * place, 366, 180, 50, name, below=below) for place, (name, below) in enumerate(names)]
    arrows = [arrow((110, 298), (110, 366)), arrow((200, 391), (290, 391)), arrow((470, 391), (560, 391))]
    words = [label(120, 336, "after each epoch", size=12), label(515, 383, "at the end", anchor="middle", size=12)]
    return "".join([*boxes, *arrows, *words])
