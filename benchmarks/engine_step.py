"""The engine's own training loop, timed batch by batch: `robustkit.run` with a listener, and nothing taken apart."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES, Case, shrunk
from benchmarks.rounds import wait_for
from benchmarks.workers import Channel
from robustkit import Listener, Plugins, load_recipe, run

PLAIN = {
    "training": "full",
    "attack": "full",
    "fold_batch_norm": False,
    "channels_last": False,
    "keep_buffers": False,
}
"""No lever at all: what is left is that the attack freezes parameters and that averages are one operation."""

Between = Callable[[Any, float], None]
"""Told the run and the seconds of the batch that ended; may raise `Enough`."""


class Enough(Exception):  # noqa: N818 - it is no error
    """Ends a run from inside a listener."""


class Metronome(Listener):
    """Takes the time of each batch, from the end of the one before; what `between` does is not counted."""

    def __init__(self, between: Between) -> None:
        self.between = between

    def started(self, run: Any) -> None:
        """The first batch, with all preparation and compilation, counts from here."""
        self._since = time.perf_counter()

    def batch_ended(self, run: Any) -> None:
        """One more batch is done by every learner and by the aggregator."""
        wait_for(run.device)
        self.between(run, time.perf_counter() - self._since)
        self._since = time.perf_counter()


@cache
def plugins() -> Plugins:
    """The installed ones, and the random images."""
    return Plugins(files=[Path(__file__).with_name("images.py")])


def generalist(
    case: Case, compute: Mapping[str, Any], *, batches: int, device: str = "cpu", random_start: bool = True
) -> dict[str, Any]:
    """A Generalist recipe: two learners with the released code's optimizers, and a mix in which both have a share."""
    sgd = {"use": "sgd", "lr": 0.01, "momentum": 0.9}
    attack = case.attack(random_start=random_start)
    return {
        "name": f"benchmark-{case.name}",
        "epochs": 1,
        "batch_size": case.batch,
        "validation_examples": 0,
        "device": device,
        "dataset": {"use": "random-images", "count": batches * case.batch, "shape": list(case.shape)},
        "architecture": {"use": case.architecture, **case.options},
        "learners": {
            "robust": {
                "strategy": {"use": "adversarial", "attack": attack},
                "optimizer": {**sgd, "weight_decay": 3.5e-3},
                "averaging": {"decay": 0.999},
            },
            "natural": {
                "strategy": "natural",
                "optimizer": {**sgd, "weight_decay": 5e-4},
                "averaging": {"decay": 0.999},
            },
        },
        "aggregator": {"use": "generalist", "mix": {"robust": 0.7}, "decay": 0.999, "redistribute": "never"},
        "compute": dict(compute),
    }


def train(recipe: Mapping[str, Any], listener: Listener) -> None:
    """Run a recipe in a folder that is thrown away, until it ends or the listener has had enough."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            run(
                load_recipe(recipe, registry=plugins().registry),
                output=Path(folder, "run"),
                listener=listener,
                plugins=plugins(),
            )
        except Enough:
            return


def serve(channel: Channel, case: str, device: str, quick: bool, steps: int, compute: Mapping[str, Any]) -> None:
    """A worker that takes so many steps at a time and tells the mean; the first batch is its warm-up."""
    measured = shrunk(CASES[case]) if quick else CASES[case]
    taken: list[float] = []
    warm = False

    def between(run: Any, seconds: float) -> None:
        nonlocal warm
        taken.append(seconds)
        if warm and len(taken) < steps:
            return
        if warm:
            channel.took(sum(taken) / steps)
        else:
            channel.ready(first=seconds, arithmetic=arithmetic_of(run))
        warm = True
        taken.clear()
        if channel.heard() is None:
            raise Enough

    train(generalist(measured, compute, batches=64 * steps, device=device), Metronome(between))


def arithmetic_of(run: Any) -> dict[str, str]:
    """The precisions that the engine decided on for training passes and for attacks."""
    named: dict[str, str] = run.arithmetic.named()
    return named
