"""What the engine costs beyond its tensor work: its step against a bare loop, turn by turn in one process."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.bare_step import BareStep, Levers
from benchmarks.cases import Case, chosen
from benchmarks.engine_step import Enough, Metronome, arithmetic_of, generalist, train
from benchmarks.options import Options
from benchmarks.rounds import Spread, said, timed
from benchmarks.tables import table

TITLE = "The engine's overhead"
ROUNDS = {"resnet18": 10, "small-cnn": 30, "digits": 300}
WARM_UP = 2


def measure(options: Options) -> dict[str, Any]:
    """Seconds a step of the engine and of the bare loop."""
    names = options.networks if options.quick else tuple(ROUNDS)
    cases = zip(names, chosen(names, quick=options.quick), strict=True)
    return {"cases": {name: _measured(case, options, ROUNDS.get(name, 10)) for name, case in cases}}


def _measured(case: Case, options: Options, usual: int) -> dict[str, Any]:
    rounds = options.rounds_or(usual)
    turns = _Turns(case, options, rounds)
    said(f"{case.in_words()}: {rounds} rounds")
    train(generalist(case, {}, batches=rounds + WARM_UP, device=options.device), Metronome(turns))
    return {
        "what": case.in_words(),
        "arithmetic": turns.arithmetic,
        "seconds": {"engine": turns.engine, "bare": turns.bare},
    }


class _Turns:
    """After each step of the engine, one of the bare loop."""

    def __init__(self, case: Case, options: Options, rounds: int) -> None:
        self.case, self.rounds, self.where = case, rounds, options.where
        generator = torch.Generator().manual_seed(1)
        shape = (64 * case.batch if case.large else 512 * case.batch, *case.shape)
        images = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        labels = torch.randint(case.classes, (len(images),), generator=generator)
        self.images, self.labels = images.to(self.where), labels.to(self.where)
        self.engine: list[float] = []
        self.bare: list[float] = []
        self.arithmetic: dict[str, str] = {}

    def __call__(self, run: Any, seconds: float) -> None:
        if run.clock.batch == 1:
            self.arithmetic = arithmetic_of(run)
            network = self.case.network().to(self.where)
            step = BareStep(self.case, network, self._levers(run), self.images, self.labels)
            self.step = timed(step, self.where)
        taken = self.step()
        if run.clock.batch > WARM_UP:
            self.engine.append(seconds)
            self.bare.append(taken)
        if len(self.bare) == self.rounds:
            raise Enough

    def _levers(self, run: Any) -> Levers:
        compute = run.recipe.compute
        return Levers(
            attack_bfloat16=self.arithmetic["attack"] == "bfloat16",
            training_bfloat16=self.arithmetic["training"] == "bfloat16",
            folded=compute.fold_batch_norm,
            channels_last=compute.channels_last,
        )


def section(result: dict[str, Any]) -> list[str]:
    """One table."""
    rows = []
    for case in result["cases"].values():
        engine, bare = case["seconds"]["engine"], case["seconds"]["bare"]
        over = Spread.of([ours / theirs - 1 for ours, theirs in zip(engine, bare, strict=True)])
        precision = f"{case['arithmetic']['attack']} / {case['arithmetic']['training']}"
        middle = [f"{1000 * Spread.of(taken).median:,.2f}" for taken in (engine, bare)]
        rows.append([case["what"], precision, *middle, over.percent(), str(len(bare))])
    head = ["network", "attack / training", "engine, ms", "bare, ms", "overhead", "rounds"]
    return [
        "The engine's loop with default settings against `benchmarks/bare_step.py`, a loop written by hand for this "
        "one recipe that does the same tensor work: the same frozen, folded and cast weights, the same precision, "
        "optimizer calls and averages, reading the batch from the same uint8 tensor; no checks, no private "
        "randomness. Overhead is the median, with quartiles, over pairs of steps.",
        table(head, rows),
    ]
