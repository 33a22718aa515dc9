"""Images: clean, the perturbation, and the two together, with what the network says of them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from robustkit.evaluation.outcome import Record
from robustkit.reporting.captions import Captions, Section, note
from robustkit.reporting.markup import Html, code, element, joined, paragraph
from robustkit.reporting.pictures import CleanImages, amplification, amplified, picture
from robustkit.reporting.sections.classes import standing
from robustkit.reporting.source import Source

BROKEN, STANDING = 12, 4
"""At most so many examples are shown."""


def gallery(source: Source, clean: CleanImages, captions: Captions) -> Section:
    """Of the main network, or the first whose images were kept."""
    names = sorted(source.records, key=lambda name: name != source.main)
    kept = [name for name in names if source.records[name].worst.images is not None]
    if not kept:
        return Section("examples", "Examples", _how_to_keep(source))
    record = source.records[kept[0]]
    chosen = selection(record)
    if not len(chosen):
        return Section("examples", "Examples", note(paragraph("No example is right when clean.")))
    attacked = record.worst.images
    assert attacked is not None
    attacked = attacked[chosen]
    images = clean.of(record, chosen)
    delta = None if images is None else attacked - images
    factor = 1.0 if delta is None else amplification(delta)
    cards = []
    for place, number in enumerate(chosen.tolist()):
        pictures = (
            []
            if images is None or delta is None
            else [("clean", images[place]), ("δ", amplified(delta[place], factor))]
        )
        cards.append(_card(source, record, number, [*pictures, ("attacked", attacked[place])]))
    figure = captions.figure(_caption(kept[0], factor if images is not None else None), joined(*cards), kind="gallery")
    missing = (
        note(paragraph(f"Clean images and perturbations are left out: {clean.why_not()}")) if images is None else ""
    )
    return Section("examples", "Examples", joined(missing, figure))


def selection(record: Record) -> Tensor:
    """Places of the first broken example of each class, for the first classes, then of the first that stand."""
    broken = (record.broken_by >= 0).nonzero().flatten()
    first = {int(record.labels[place]): int(place) for place in broken.flip(0)}
    stand = standing(record).nonzero().flatten()[:STANDING].tolist()
    return torch.tensor([first[label] for label in sorted(first)[:BROKEN]] + stand, dtype=torch.int64)


def _caption(network: str, factor: float | None) -> str:
    shown = "its worst-case image"
    if factor is not None:
        shown = f"the clean image, the perturbation δ times {factor:g} (grey is none), and its worst-case image"
    return (
        f"Of each example, {shown}; below, its true class → what {network} predicts on the latter. Nobody picked them: "
        f"they are the first example of each class that an attack breaks (at most {BROKEN}), then the first {STANDING} "
        "that stand. Norms are those of δ, in pixels of [0, 1]. Images are rounded to 8 bits to be shown."
    )


def _card(source: Source, record: Record, number: int, pictures: list[tuple[str, Tensor]]) -> Html:
    cells = [
        element("div", picture(pixels, f"example {number}, {kind}"), element("span", kind), class_="picture")
        for kind, pixels in pictures
    ]
    lines = element("div", *_lines(source, record, number), class_="says")
    return element("div", element("div", *cells, class_="row"), lines, class_="card")


def _lines(source: Source, record: Record, number: int) -> Iterator[Html]:
    truth, broken_by = int(record.labels[number]), int(record.broken_by[number])
    said = int(record.worst.prediction[number])
    verdict = element("span", source.class_name(said), class_="wrong" if said != truth else "right")
    yield element("div", element("b", source.class_name(truth)), " → ", verdict)
    if broken_by >= 0:
        yield element("div", "first broken by ", code(record.attacks[broken_by]), class_="small")
    else:
        yield element("div", "stands under every attack", class_="small")
    norms = f"Linf {float(record.worst.linf[number]):.3f}, L2 {float(record.worst.l2[number]):.2f}"
    yield element("div", f"no. {number}; {norms}", class_="small")


def _how_to_keep(source: Source) -> Html:
    text = "No images were kept, so none can be shown. "
    if not source.records:
        text = "This folder does not say what became of each example. "
    every = " --network all" if source.is_run else ""
    command = f"robustkit evaluate {source.subject}{every} --keep-images --output NEW-FOLDER"
    way = joined(
        "Measure again, and keep them: ", code(command), "; or train with ", code("evaluation.manner.keep_images=true")
    )
    return note(paragraph(text, way, "."))
