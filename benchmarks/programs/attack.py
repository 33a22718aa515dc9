"""PGD alone, against other libraries' PGD on the same network from the same start, turn by turn in one process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.cases import Case, chosen
from benchmarks.options import Options
from benchmarks.peers import Perturb, missing, peers
from benchmarks.rounds import Spread, interleaved, ratios, said, timed
from benchmarks.tables import table
from benchmarks.trained import right, trained
from robustkit import Compute, perturb
from robustkit.attacking.lean import PLAIN, AttackArithmetic, attack_arithmetic
from robustkit.engine.allocator import buffers_kept
from robustkit.engine.arithmetic import decide, place

TITLE = "The attack against other libraries'"
BASE, DEFAULT = "robustkit, float32", "robustkit, default precision"
BFLOAT16, FIRST = "robustkit, bfloat16", "robustkit, bfloat16 first, then float32"
STEPS = 10
"""Of the attacks on the trained network."""


def measure(options: Options) -> dict[str, Any]:
    """Seconds an attack of each library, and how many examples each leaves right."""
    absent = missing()
    if absent and not options.quick:
        raise SystemExit(f"not installed: {', '.join(absent)}. benchmarks/peers.py says how.")
    with buffers_kept(wanted=True):
        cases = {case.name: _measured(case, options) for case in chosen(options.networks, quick=options.quick)}
        return {"missing": absent, "cases": cases, "strength": _strength(options)}


def _measured(case: Case, options: Options) -> dict[str, Any]:
    network = case.network().eval().to(options.where)
    images, labels = (tensor.to(options.where) for tensor in case.examples())
    ours, precision = _ours(network, case, options)
    everyone: dict[str, Callable[[int], Perturb]] = {
        **ours,
        **{name: partial(_peer, network, case, name) for name in peers(network, case, 1)},
    }
    for name, attack in everyone.items():
        said(f"{case.name}: preparing {name}")
        attack(1)(images, labels)
    contestants = {
        name: timed(partial(attack(case.steps), images, labels), options.where) for name, attack in everyone.items()
    }
    rounds = options.rounds_or(3 if case.large else 10)
    return {
        "what": case.in_words(),
        "batch": case.batch,
        "precision": precision,
        "seconds": interleaved(contestants, rounds),
    }


def _peer(network: nn.Module, case: Case, name: str, steps: int) -> Perturb:
    return peers(network, case, steps)[name]


def _ours(network: nn.Module, case: Case, options: Options) -> tuple[dict[str, Callable[[int], Perturb]], str]:
    """Our ways of attacking, each to be told the number of steps; and the precision that the engine would choose."""
    placed = case.network().eval()
    placed.load_state_dict(network.state_dict())
    place(placed, Compute(), options.where)
    default = decide(Compute(), placed, case.shape).attack
    ways = {
        "robustkit, float32, no lever": (network, PLAIN),
        BASE: (placed, AttackArithmetic("full", fold_batch_norm=True)),
        DEFAULT: (placed, default),
    }
    if not options.quick:
        compiled = AttackArithmetic(default.precision, fold_batch_norm=True, compile=True)
        ways[f"{DEFAULT}, compiled"] = (placed, compiled)
    return {name: partial(_our, model, case, way) for name, (model, way) in ways.items()}, default.precision


def _our(model: nn.Module, case: Case, arithmetic: AttackArithmetic, steps: int) -> Perturb:
    attack = case.pgd(steps=steps, random_start=False)

    def run(images: Tensor, labels: Tensor) -> Tensor:
        with attack_arithmetic(arithmetic):
            return perturb(attack, model, images, labels, seed=1)

    return run


def _strength(options: Options) -> dict[str, Any]:
    """What each leaves of a trained network, judged by that network in float32."""
    net = trained(options)
    ours = {
        BASE: _our(net.model, net.case, AttackArithmetic("full", fold_batch_norm=True), STEPS),
        BFLOAT16: _our(net.model, net.case, AttackArithmetic("bfloat16", True), STEPS),
    }
    everyone = {**ours, **peers(net.model, net.case, STEPS)}
    clean = right(net.model, net.images, net.labels)
    flags: dict[str, Tensor] = {}
    for name, attack in everyone.items():
        batches = zip(net.images.split(net.case.batch), net.labels.split(net.case.batch), strict=True)
        attacked = torch.cat([attack(images, labels).detach() for images, labels in batches])
        assert float((attacked - net.images).abs().max()) <= net.case.eps + 1e-6, name
        flags[name] = clean & right(net.model, attacked, net.labels)
    flags[FIRST] = flags[BFLOAT16] & flags[BASE]
    robust = {name: int(flag.sum()) for name, flag in flags.items()}
    return {"what": net.what, "examples": len(net.images), "steps": STEPS, "robust": robust}


def section(result: dict[str, Any]) -> list[str]:
    """A table a network, and one of what the attacks leave right."""
    parts = [
        "Linf PGD of ten steps from the image itself, returning the last step. All contestants run in one process, "
        "all with freed memory kept in it (`compute.keep_buffers`), which helps the peers as much as us. Ours "
        "includes the checks of input and result. A peer that is slower computes gradients of the parameters on the "
        "way, or looks at its success afterwards.",
    ]
    for case in result["cases"].values():
        parts += _table(case)
    return [*parts, *_strength_table(result["strength"])]


def _table(case: dict[str, Any]) -> list[str]:
    seconds = case["seconds"]
    rows = [
        [
            name,
            f"{1000 * Spread.of(taken).median:,.0f}",
            f"{case['batch'] / Spread.of(taken).median:,.0f}",
            ratios(taken, seconds[BASE]).times(),
            ratios(taken, seconds[DEFAULT]).times(),
        ]
        for name, taken in seconds.items()
    ]
    head = ["contestant", "ms", "images/s", "time / ours in float32", f"time / ours in {case['precision']} (default)"]
    return [f"### {case['what']}", table(head, rows), f"Medians of {len(seconds[BASE])} rounds, with quartiles."]


def _strength_table(strength: dict[str, Any]) -> list[str]:
    count = strength["examples"]
    base = strength["robust"][BASE]
    rows = [
        [name, str(robust), f"{100 * robust / count:.1f} %", f"{100 * (robust - base) / count:+.1f}"]
        for name, robust in strength["robust"].items()
    ]
    words = (
        f"{strength['what']}; PGD-{strength['steps']} from the image, every result judged by the network in float32. "
        "Evaluation attacks in float32 unless `evaluation: bfloat16-first` is asked for; training attacks in the "
        "default precision."
    )
    head = ["contestant", "still right", "robust accuracy", "points against ours in float32"]
    return ["### What the attacks leave right", words, table(head, rows)]
