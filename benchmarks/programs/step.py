"""The full Generalist step against the re-stated authors' step, in processes that take turns."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from benchmarks.cases import chosen
from benchmarks.engine_step import PLAIN
from benchmarks.options import Options
from benchmarks.rounds import Spread, interleaved, ratios, said
from benchmarks.tables import table
from benchmarks.workers import KEPT_BUFFERS, Worker

TITLE = "The full Generalist step"
AUTHORS = "authors' step, re-stated"
AUTHORS_KEPT = f"{AUTHORS}, buffers kept"
FULL = {"training": "full", "attack": "full"}
OURS: dict[str, dict[str, Any]] = {
    "no lever": PLAIN,
    "float32": FULL,
    "default": {},
    "default, attack compiled": {"compile": "attack"},
    "default, all compiled": {"compile": "all"},
}
"""`compute` sections of the recipe."""


def measure(options: Options) -> dict[str, Any]:
    """Seconds a step of each contestant, for each network."""
    names = [case.name for case in chosen(options.networks, quick=options.quick)]
    return {"cases": {name: _measured(name, options) for name in names}}


def _measured(name: str, options: Options) -> dict[str, Any]:
    case = next(case for case in chosen((name,), quick=options.quick))
    steps = 1 if case.large or options.quick else 3
    asked = {"case": name, "device": options.device, "quick": options.quick, "steps": steps}
    ours = {key: OURS[key] for key in ("float32", "default")} if options.quick else OURS
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}

        def prepare(label: str, target: str, environment: dict[str, str], **more: Any) -> None:
            said(f"{name}: preparing {label}")
            worker = Worker(target, {**asked, **more}, threads=options.threads, environment=environment)
            workers[label] = stack.enter_context(worker)

        prepare(AUTHORS, "benchmarks.authors_step:serve", {})
        if not options.quick:
            prepare(AUTHORS_KEPT, "benchmarks.authors_step:serve", KEPT_BUFFERS)
        for label, compute in ours.items():
            prepare(label, "benchmarks.engine_step:serve", {}, compute=compute)
        rounds = options.rounds_or(3 if case.large else 10)
        seconds = interleaved({label: worker.contestant() for label, worker in workers.items()}, rounds)
    return {
        "what": case.in_words(),
        "batch": case.batch,
        "steps": steps,
        "seconds": seconds,
        "first_step": {label: worker.facts["first"] for label, worker in workers.items() if "first" in worker.facts},
        "arithmetic": {label: worker.facts.get("arithmetic") for label, worker in workers.items()},
    }


def section(result: dict[str, Any]) -> list[str]:
    """A table a network."""
    parts = [
        "One batch of training: the robust learner's attack and step, the natural learner's step, their moving "
        "averages and the global learner's. Ours is the engine's own loop, with reading the batch and all checks; "
        "the authors' step is `benchmarks/authors_step.py`, without reading the batch. Each contestant is a process "
        "of its own with the C library's default allocator, which the engine changes for itself "
        "(`compute.keep_buffers`) but not in the row `no lever`, and which the environment changes for the second row.",
    ]
    return [*parts, *(part for case in result["cases"].values() for part in _table(case))]


def _table(case: dict[str, Any]) -> list[str]:
    seconds = case["seconds"]
    rows = []
    for label, taken in seconds.items():
        arithmetic = case["arithmetic"][label]
        precision = f"{arithmetic['attack']} / {arithmetic['training']}" if arithmetic else "full / full"
        middle, first = Spread.of(taken).median, case["first_step"].get(label)
        rows.append(
            [
                label,
                precision,
                f"{1000 * middle:,.0f}",
                f"{case['batch'] / middle:,.0f}",
                ratios(seconds[AUTHORS], taken).times(),
                f"{first:.1f}" if first else "",
            ]
        )
    head = ["contestant", "attack / training", "ms a step", "images/s", "times faster", "first step, s"]
    rounds = len(seconds[AUTHORS])
    return [
        f"### {case['what']}",
        table(head, rows),
        f"Medians of {rounds} rounds of {case['steps']} steps; quartiles of the ratios.",
    ]
