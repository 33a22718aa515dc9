"""How cost grows with attack steps, batch, learners and data, and whether memory grows with epochs."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import torch

from benchmarks.cases import Case, shrunk
from benchmarks.engine_step import Enough, Metronome, generalist, train
from benchmarks.options import Options
from benchmarks.rounds import Spread, said
from benchmarks.tables import table
from robustkit import Listener

TITLE = "Growth"
_CASE = Case("growth", "small-cnn", (1, 28, 28), 64, 0.1, 0.025, options={"width": 16})
SERIES: dict[str, tuple[str, tuple[int, ...]]] = {
    "steps": ("steps of the attack", (2, 4, 8, 16, 32)),
    "batch": ("examples in the batch", (16, 32, 64, 128, 256)),
    "learners": ("adversarial learners", (1, 2, 4, 8)),
    "data": ("batches in the epoch", (4, 8, 16, 32)),
}
WARM_UP, BATCHES, EPOCHS = 2, 4, 40


def measure(options: Options) -> dict[str, Any]:
    """Seconds for each size of each series, and memory after each epoch of a longer run."""
    rounds = options.rounds_or(3)
    taken: dict[str, dict[int, list[float]]] = {name: {} for name in SERIES}
    for number in range(rounds):
        for name, (_, sizes) in SERIES.items():
            for size in sizes[:2] if options.quick else sizes:
                said(f"round {number + 1} of {rounds}: {name} {size}")
                taken[name].setdefault(size, []).append(_MEASURES[name](size, options))
    series = {
        name: [{"size": size, "seconds": seconds} for size, seconds in found.items()] for name, found in taken.items()
    }
    said(f"memory over {3 if options.quick else EPOCHS} epochs")
    return {"what": _case(options).in_words(), "series": series, "memory": _memory(options)}


def _case(options: Options) -> Case:
    return shrunk(_CASE) if options.quick else _CASE


def _step_seconds(recipe: Mapping[str, Any], options: Options) -> float:
    """The median over some batches of the engine's loop."""
    found: list[float] = []

    def between(run: Any, seconds: float) -> None:
        found.append(seconds)
        if len(found) == WARM_UP + BATCHES:
            raise Enough

    train({**recipe, "device": options.device}, Metronome(between))
    return float(numpy.median(found[WARM_UP:]))


def _by_steps(steps: int, options: Options) -> float:
    return _step_seconds(generalist(replace(_case(options), steps=steps), {}, batches=WARM_UP + BATCHES), options)


def _by_batch(batch: int, options: Options) -> float:
    return _step_seconds(generalist(replace(_case(options), batch=batch), {}, batches=WARM_UP + BATCHES), options)


def _by_learners(count: int, options: Options) -> float:
    recipe = generalist(_case(options), {}, batches=WARM_UP + BATCHES)
    robust = recipe["learners"]["robust"]
    several = {"learners": {f"robust-{number}": robust for number in range(count)}, "aggregator": "wa"}
    return _step_seconds({**recipe, **several}, options)


def _by_data(batches: int, options: Options) -> float:
    """An epoch's seconds, with the checks at its end, without measuring and without the checkpoint."""
    found: list[float] = []
    recipe = {**generalist(_case(options), {}, batches=batches), "epochs": 2, "device": options.device}
    train(recipe, _Epochs(lambda run, metrics: found.append(metrics["seconds"])))
    return found[-1]


_MEASURES: dict[str, Callable[[int, Options], float]] = {
    "steps": _by_steps,
    "batch": _by_batch,
    "learners": _by_learners,
    "data": _by_data,
}


class _Epochs(Listener):
    def __init__(self, ended: Callable[[Any, Mapping[str, Any]], None]) -> None:
        self.ended_epoch = ended

    def epoch_ended(self, run: Any, metrics: Mapping[str, Any]) -> None:
        self.ended_epoch(run, metrics)


def _memory(options: Options) -> dict[str, list[int]]:
    """After each epoch: resident bytes of the process (on a GPU, allocated bytes) and the number of tensors alive."""
    found: dict[str, list[int]] = {"bytes": [], "tensors": []}

    def ended(run: Any, metrics: Mapping[str, Any]) -> None:
        gc.collect()
        found["bytes"].append(_bytes(options.where))
        found["tensors"].append(sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()))

    epochs = 3 if options.quick else EPOCHS
    case = replace(_case(options), steps=2)
    recipe = generalist(case, {}, batches=4)
    changed = {"epochs": epochs, "device": options.device, "validation_examples": case.batch}
    pgd = case.attack(keep="best")
    train({**recipe, **changed, "evaluation": {"attacks": {"pgd": pgd}}}, _Epochs(ended))
    return found


def _bytes(where: torch.device) -> int:
    if where.type == "cuda":
        return torch.cuda.memory_allocated(where)
    resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(resident) * 4096


def exponent(sizes: list[float], seconds: list[float]) -> float:
    """The slope of a straight line through the logarithms, by least squares: 1 where cost is proportional to size."""
    return float(numpy.polyfit(numpy.log(sizes), numpy.log(seconds), 1)[0])


def straightness(sizes: list[float], seconds: list[float]) -> float:
    """The farthest a point is from `fixed + size * each`, fitted by least squares of relative errors, as a share."""
    columns = numpy.stack([numpy.ones(len(sizes)), numpy.array(sizes)], 1) / numpy.array(seconds)[:, None]
    fit = numpy.linalg.lstsq(columns, numpy.ones(len(sizes)), rcond=None)[0]
    return float(numpy.abs(columns @ fit - 1).max())


def section(result: dict[str, Any]) -> list[str]:
    """The plot, a table of slopes, and what memory did."""
    rows = []
    for name, points in result["series"].items():
        sizes = [float(point["size"]) for point in points]
        seconds = [Spread.of(point["seconds"]).median for point in points]
        upper = len(sizes) // 2
        ends = f"{sizes[0]:g} to {sizes[-1]:g}", f"{1000 * seconds[0]:,.0f} to {1000 * seconds[-1]:,.0f}"
        slopes = exponent(sizes, seconds), exponent(sizes[upper:], seconds[upper:]) if len(sizes) > 2 else 0.0
        rows.append(
            [
                SERIES[name][0],
                *ends,
                *(f"{slope:.2f}" for slope in slopes),
                f"{100 * straightness(sizes, seconds):.0f} %",
            ]
        )
    head = ["size", "from, to", "ms", "exponent", "of the larger half", "farthest from a straight line"]
    memory = result["memory"]
    return [
        f"{result['what']} where nothing else is said. The exponent is the slope of cost over size, both as "
        "logarithms: 1 is proportional, less means that a fixed cost is shared by more. The last column fits a fixed "
        "cost and a cost for each.",
        PLOT,
        table(head, rows),
        _about_memory(memory),
    ]


def _about_memory(memory: dict[str, list[int]]) -> str:
    epochs, mib = len(memory["bytes"]), [count / 2**20 for count in memory["bytes"]]
    half = epochs // 2
    growth = float(numpy.polyfit(range(epochs - half), mib[half:], 1)[0]) if epochs - half > 1 else 0.0
    return (
        f"Memory over {epochs} epochs, each with measuring and a checkpoint: {mib[0]:,.0f} MiB after the first, "
        f"{mib[half]:,.0f} after epoch {half + 1}, {mib[-1]:,.0f} after the last, which over the second half is "
        f"{1024 * growth:+.0f} KiB an epoch; tensors alive: {memory['tensors'][0]}, {memory['tensors'][half]}, "
        f"{memory['tensors'][-1]}."
    )


PLOT = """```{robustkit-figure} draw_scaling
:alt: Seconds over attack steps, batch, learners and data, with logarithmic axes

Cost over size, on logarithmic axes; the dashed line is proportional.
```"""
