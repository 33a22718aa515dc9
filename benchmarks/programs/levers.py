"""Every lever alone and together: what it gives, and what it does to the numbers."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from benchmarks.cases import chosen
from benchmarks.lever_effects import effects
from benchmarks.lever_work import COMPILED, FORMS, PARAMETER_GRADIENTS, STEPS, TRAINING
from benchmarks.options import Options
from benchmarks.rounds import Spread, interleaved, ratios, said
from benchmarks.tables import table
from benchmarks.workers import KEPT_BUFFERS, Worker

TITLE = "The levers"
RETURNED = ", buffers returned"
"""Where glibc gives freed buffers back to the kernel, as it does by default."""
KEPT_FORMS = ("frozen parameters", "+ folded, channels-last", "bfloat16, folded, channels-last")
"""Forms of the attack that are also measured with the C library's default allocator."""


def measure(options: Options) -> dict[str, Any]:
    """Seconds of each form of each piece of work, and each form's numerical effect."""
    names = [case.name for case in chosen(options.networks, quick=options.quick)]
    cases = {name: _measured(name, options) for name in names}
    return {"cases": cases, "effects": effects(options)}


def _measured(name: str, options: Options) -> dict[str, Any]:
    (case,) = chosen((name,), quick=options.quick)
    forms = [PARAMETER_GRADIENTS, *(form for form in FORMS if "compiled" not in form or not options.quick)]
    training = [*TRAINING, *([] if options.quick else [COMPILED])]
    asked = {"case": name, "device": options.device, "quick": options.quick}
    with ExitStack() as stack:

        def worker(environment: dict[str, str], **work: list[str]) -> Worker:
            said(f"{name}: preparing {sum(map(len, work.values()))} pieces of work")
            made = Worker(
                "benchmarks.lever_work:serve", {**asked, **work}, threads=options.threads, environment=environment
            )
            return stack.enter_context(made)

        kept = worker(KEPT_BUFFERS, forms=forms, training=training)
        returned = worker({}, forms=[PARAMETER_GRADIENTS, *KEPT_FORMS], training=[])
        contestants = {work: kept.contestant(work) for work in kept.facts["first"]}
        contestants |= {f"{work}{RETURNED}": returned.contestant(work) for work in returned.facts["first"]}
        seconds = interleaved(contestants, options.rounds_or(3 if case.large else 8))
    return {"what": replace(case, steps=STEPS).in_words(), "seconds": seconds, "first": kept.facts["first"]}


def section(result: dict[str, Any]) -> list[str]:
    """Tables of speed for each network, and one of numerical effects."""
    parts = [
        f"The attack is PGD-{STEPS} through `robustkit.perturb`, in the forms that `compute` chooses among; its base "
        "is an attack that calls `backward` and so computes gradients of the parameters. The training step is a "
        "forward, a backward and SGD, by hand. Freed memory is kept in the process except where `buffers returned` "
        "says so.",
    ]
    for case in result["cases"].values():
        parts += [f"### {case['what']}", _table(case, "attack", PARAMETER_GRADIENTS)]
        parts += [_table(case, "training", "float32"), _table(case, "average", "tensor by tensor")]
    return [*parts, *_effects(result["effects"])]


def _table(case: dict[str, Any], part: str, base: str) -> str:
    seconds = case["seconds"]
    rows = []
    for name, taken in seconds.items():
        if name.startswith(f"{part}: "):
            first = case["first"].get(name, 0.0) if "compiled" in name else 0.0
            ratio = ratios(seconds[f"{part}: {base}"], taken).times()
            words = name.removeprefix(f"{part}: ")
            rows.append([words, f"{1000 * Spread.of(taken).median:,.1f}", ratio, f"{first:.1f}" if first else ""])
    return table([part, "ms", "times faster", "first call, s"], rows)


def _effects(found: list[dict[str, Any]]) -> list[str]:
    parts = [
        "### Numerical effect",
        "The gradient of the loss in the image, against the one in float32 without levers: the share of pixels whose "
        "sign is the same, and the mean cosine over examples. Robust accuracy is under PGD-20 that computes in this "
        "form, every attacked image judged by the network in float32.",
    ]
    for net in found:
        rows = [
            [
                form,
                f"{100 * effect['signs']:.2f} %",
                f"{effect['cosine']:.5f}",
                *([] if effect["robust"] is None else [f"{100 * effect['robust'] / net['examples']:.1f} %"]),
            ]
            for form, effect in net["forms"].items()
        ]
        head = ["form", "equal signs", "cosine", "robust accuracy"][: len(rows[0])]
        parts += [f"{net['what']}:", table(head, rows)]
    return parts
