"""The attack's share of the convolution peak: measured here, and as `robustkit run --profile` tells it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.cases import Case, chosen
from benchmarks.engine_step import generalist, plugins
from benchmarks.lever_work import Form, attacked
from benchmarks.options import Options
from benchmarks.rounds import Spread, interleaved, said, timed
from benchmarks.tables import table
from robustkit import Compute, load_recipe, run
from robustkit.engine.allocator import buffers_kept
from robustkit.engine.arithmetic import decide, place

TITLE = "Share of the peak"
STAGES = ((64, 32), (128, 16), (256, 8), (512, 4))
"""Channels and size of ResNet-18's 3x3 convolutions, which are what the peak is measured with."""
STEPS = 4
"""Of the attack that is timed here."""


def measure(options: Options) -> dict[str, Any]:
    """FLOP/s of the attack, of its convolutions alone and of the peak, beside what the profile says."""
    return {"cases": {case.name: _measured(case, options) for case in chosen(options.networks, quick=options.quick)}}


def _measured(case: Case, options: Options) -> dict[str, Any]:
    said(f"{case.name}: a run with its profile")
    profile = _profile(case, options)
    network = case.network().eval()
    place(network, Compute(), options.where)
    arithmetic = decide(Compute(), network, case.shape).attack
    dtype = torch.bfloat16 if arithmetic.precision == "bfloat16" else torch.float32
    images, labels = (tensor.to(options.where) for tensor in case.examples())
    forward = _forward_flops(network, images)
    attack = case.pgd(steps=STEPS, random_start=False)
    stages = STAGES[:1] if options.quick else STAGES
    with buffers_kept(wanted=True):
        works = {"attack": partial(attacked, attack, network, Form(arithmetic), images, labels)}
        works["convolutions"] = _convolutions(network, images, dtype)
        works |= {f"stage {size}": _stage(*size, case.batch, dtype, options.where) for size in stages}
        for work in works.values():
            work()
        contestants = {name: timed(work, options.where) for name, work in works.items()}
        seconds = interleaved(contestants, options.rounds_or(8 if case.large else 20))
    return {
        "what": replace(case, steps=STEPS).in_words(),
        "precision": arithmetic.precision,
        "attack_flops": 2 * STEPS * forward * case.batch,
        "convolution_flops": 2 * forward * case.batch,
        "stage_flops": [2 * case.batch * (channels * 3 * size) ** 2 for channels, size in stages],
        "seconds": seconds,
        "profile": profile,
    }


def _profile(case: Case, options: Options) -> dict[str, float]:
    """What the engine's profile says of the attack: FLOP/s, the peak, and the share."""
    recipe = load_recipe(generalist(case, {}, batches=6, device=options.device), registry=plugins().registry)
    with tempfile.TemporaryDirectory() as folder:
        finished = run(recipe, output=Path(folder, "run"), profile=True, plugins=plugins())
        found = finished.folder.read_json(finished.folder.profile)["step"]
    attack = found["phases"]["attack"]
    return {
        "flops_per_second": attack["flops_per_second"],
        "peak": found["peaks"][attack["precision"]],
        "share_of_peak": attack["share_of_peak"],
        "step_share_of_peak": found["share_of_peak"],
        "images_per_second": found["images_per_second"],
    }


def _forward_flops(network: nn.Module, images: Tensor) -> float:
    """Of one image."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(images[:1])
    return float(counter.get_total_flops())


def _stage(channels: int, size: int, batch: int, dtype: torch.dtype, where: torch.device) -> Any:
    """A forward of one convolution of the peak's definition."""
    cast: Any = {"dtype": dtype, "device": where}
    images = torch.rand(batch, channels, size, size, **cast).to(memory_format=torch.channels_last)
    weight = torch.rand(channels, channels, 3, 3, **cast).to(memory_format=torch.channels_last)

    def work() -> None:
        with torch.inference_mode():
            functional.conv2d(images, weight, padding=1)

    return work


def _convolutions(network: nn.Module, images: Tensor, dtype: torch.dtype) -> Any:
    """The network's own convolutions alone: of each the forward and the gradient of its input, as an attack needs."""
    seen: list[tuple[nn.Conv2d, Tensor, Tensor, Tensor]] = []

    def keep(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        given, slope, weight = (
            torch.rand_like(tensor, dtype=dtype, memory_format=torch.channels_last)
            for tensor in (args[0], output, layer.weight.detach())
        )
        seen.append((layer, given.requires_grad_(), weight, slope))

    handles = [part.register_forward_hook(keep) for part in network.modules() if isinstance(part, nn.Conv2d)]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()

    def work() -> None:
        for layer, given, weight, slope in seen:
            output = functional.conv2d(given, weight, None, layer.stride, layer.padding)
            torch.autograd.grad(output, given, slope)

    return work


def section(result: dict[str, Any]) -> list[str]:
    """One table."""
    rows = []
    for case in result["cases"].values():
        seconds, profile = case["seconds"], case["profile"]
        stages = [min(taken) for name, taken in seconds.items() if name.startswith("stage")]
        peak = sum(case["stage_flops"]) / sum(stages)
        attack = case["attack_flops"] / Spread.of(seconds["attack"]).median
        alone = case["convolution_flops"] / Spread.of(seconds["convolutions"]).median
        share = attack / peak
        rows += [
            [
                case["what"],
                case["precision"],
                "here",
                *_giga(peak, alone, attack),
                _percent(share),
                _percent(attack / alone),
            ],
            [
                "",
                "",
                "--profile",
                *_giga(profile["peak"]),
                "",
                *_giga(profile["flops_per_second"]),
                _percent(profile["share_of_peak"]),
                f"{profile['share_of_peak'] / share - 1:+.1%} of here",
            ],
        ]
    head = [
        "network",
        "precision",
        "measured",
        "peak, GFLOP/s",
        "own convolutions",
        "attack",
        "share of peak",
        "of own convolutions",
    ]
    return [
        "The peak is what the device reaches in ResNet-18's four sizes of 3x3 convolutions and nothing else "
        "(operations of all four by the sum of their fastest times). `own convolutions` are the network's, each "
        "alone, forward and gradient of the input, as an attack needs them, which is the floor of its time. "
        "Operations are counted by hand here (two forwards' worth a step) and by watching every operator in the "
        "profile.",
        table(head, rows),
    ]


def _giga(*rates: float) -> list[str]:
    return [f"{rate / 1e9:,.0f}" for rate in rates]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
