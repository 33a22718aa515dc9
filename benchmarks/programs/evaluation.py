"""Long PGD evaluations: with the worst image kept or the first broken one, in full precision or in bfloat16 first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.options import Options
from benchmarks.rounds import Spread, interleaved, ratios, timed
from benchmarks.tables import table
from benchmarks.trained import Trained, trained
from robustkit import Compute, Measurement, TensorExamples, evaluate
from robustkit.engine.allocator import buffers_kept
from robustkit.engine.arithmetic import place

TITLE = "Evaluation"
BASE = "best, full"
WAYS = {
    BASE: ("best", "full"),
    "first, full": ("first", "full"),
    "best, bfloat16-first": ("best", "bfloat16-first"),
    "first, bfloat16-first": ("first", "bfloat16-first"),
}
"""`keep` of the attack and `compute.evaluation` of the recipe."""


def measure(options: Options) -> dict[str, Any]:
    """Seconds and robust examples of each way, for each number of steps."""
    net = trained(options)
    place(net.model, Compute(), options.where)
    lengths = (3, 6) if options.quick else (20, 100)
    with buffers_kept(wanted=True):
        attacks = {f"PGD-{steps}": _measured(net, steps, options) for steps in lengths}
    return {"what": net.what, "examples": len(net.images), "eps": net.case.eps, "attacks": attacks}


def _measured(net: Trained, steps: int, options: Options) -> dict[str, Any]:
    found: dict[str, Measurement] = {}
    names = [str(number) for number in range(net.case.classes)]
    examples = TensorExamples(net.images, net.labels, names)

    def once(way: str) -> Callable[[], None]:
        keep, evaluation = WAYS[way]
        attack = net.case.pgd(steps=steps, step_size=net.case.eps / 4, keep=keep)
        compute = Compute(evaluation=evaluation)

        def work() -> None:
            found[way] = evaluate(net.model, examples, {"pgd": attack}, compute=compute)

        return work

    seconds = interleaved({way: timed(once(way), options.where) for way in WAYS}, options.rounds_or(3))
    flags = {way: measurement.attacked["pgd"] for way, measurement in found.items()}
    return {
        "seconds": seconds,
        "robust": {way: int(flag.sum()) for way, flag in flags.items()},
        "differ": {way: int(torch.ne(flag, flags[BASE]).sum()) for way, flag in flags.items()},
        "differ_from_same_precision": {
            way: int(torch.ne(flag, flags[f"best, {WAYS[way][1]}"]).sum()) for way, flag in flags.items()
        },
    }


def section(result: dict[str, Any]) -> list[str]:
    """One table."""
    rows = []
    for attack, found in result["attacks"].items():
        for way, taken in found["seconds"].items():
            robust = 100 * found["robust"][way] / result["examples"]
            differ = [str(found[name][way]) for name in ("differ", "differ_from_same_precision")]
            faster = ratios(found["seconds"][BASE], taken).times()
            rows.append([f"{attack}, {way}", f"{Spread.of(taken).median:.2f}", faster, f"{robust:.1f} %", *differ])
    head = [
        "attack, `keep`, `evaluation`",
        "s",
        "times faster",
        "robust",
        "flags that differ",
        "... in the same precision",
    ]
    rounds = len(next(iter(result["attacks"].values()))["seconds"][BASE])
    return [
        f"`robustkit.evaluate` of {result['what']}; Linf, eps {result['eps']:g}, random start, one restart, steps of "
        "eps / 4. `keep: first` drops an example once it is broken, or once its iterate returns to an earlier "
        "one, after which nothing new can happen: so its flags must be those of `keep: best`. With `bfloat16-first` "
        "survivors are attacked again in full precision, so more examples may be broken, and none fewer; how bfloat16 "
        "rounds may depend on which other examples are still in the batch.",
        table(head, rows),
        f"Medians of {rounds} rounds; differences are against `{BASE}`, and against `best` in the same precision.",
    ]
