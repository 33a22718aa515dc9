"""What a run will take, told from a few seconds of it: time, floating-point operations, memory."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robustkit.components.attack import Attack
from robustkit.engine.cost.bookkeeping import Bookkeeping, keep_books
from robustkit.engine.cost.footprint import Footprint, footprint
from robustkit.engine.cost.memory import memory_in_use
from robustkit.engine.cost.network_cost import NetworkCost, NetworkTrial
from robustkit.engine.cost.queries import Queries, queries
from robustkit.engine.cost.step_cost import StepCost, measured_peaks
from robustkit.engine.cost.trial import Trial, try_steps
from robustkit.engine.run import Run

RIGHT = 0.9
"""Share of examples assumed to be right without an attack, so that they are attacked at all."""
SOON = 0.5
"""Share of attacked examples assumed to be broken as soon as an attack looks; the others stand to its end."""
_STEPS, _NETWORK = 0.6, 0.25  # shares of the calibration's time; the rest is for counting


@dataclass(frozen=True)
class Cost:
    """What a part of a run takes."""

    seconds: float
    """As far as can be told."""
    at_most: float
    """Seconds if every example is right, and stands until each attack ends."""
    flops: float
    """Floating-point operations, in the same case."""

    def __add__(self, other: Cost) -> Cost:
        """Both, one after the other."""
        return Cost(self.seconds + other.seconds, self.at_most + other.at_most, self.flops + other.flops)

    def times(self, count: int) -> Cost:
        """The same, so many times."""
        return Cost(count * self.seconds, count * self.at_most, count * self.flops)

    def plain(self) -> dict[str, float]:
        """As JSON holds it."""
        return {"seconds": self.seconds, "seconds_at_most": self.at_most, "flops_at_most": self.flops}


NOTHING = Cost(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Estimate:
    """An estimate, and what it rests on."""

    step: StepCost
    """What a step takes."""
    trial: Trial
    """The steps that were tried."""
    books: Bookkeeping
    """What is done between steps."""
    training: Cost
    """All steps, and what is done between them, without measuring."""
    validation: Cost
    """Measuring every network on the validation examples, all times together."""
    final: Mapping[str, Cost]
    """Measuring every network on the test examples: `natural`, and by attack."""
    memory: Footprint
    """At its highest."""
    calibration: float
    """Seconds that estimating took."""
    measured_at_a_time: int
    """Examples at a time in the trial of measuring."""
    epochs: int
    """Of the run."""

    @property
    def evaluation(self) -> Cost:
        """The final evaluation as a whole."""
        return sum(self.final.values(), NOTHING)

    @property
    def total(self) -> Cost:
        """The whole run, from the first step to the report."""
        return self.training + self.validation + self.evaluation

    @property
    def epoch_seconds(self) -> float:
        """Of an epoch with what is done after it; validation spread over all epochs."""
        return (self.training.seconds + self.validation.seconds) / self.epochs

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        trial = self.trial
        return {
            "total": self.total.plain(),
            "training": self.training.plain() | {"seconds_an_epoch": self.epoch_seconds} | self.books.plain(),
            "validation": self.validation.plain(),
            "final_evaluation": self.evaluation.plain() | {"parts": {k: v.plain() for k, v in self.final.items()}},
            "step": self.step.plain(),
            "memory": self.memory.plain(),
            "calibration": {
                "seconds": self.calibration,
                "steps": trial.steps,
                "images_a_step": trial.images,
                "compilation_seconds": trial.compilation,
                "examples_measured_at_a_time": self.measured_at_a_time,
                "assumed": {"right": RIGHT, "broken_soon": SOON},
            },
        }


def estimate(run: Run, seconds: float = 10.0) -> Estimate:
    """Try out a run and say what it will take. It writes nothing but a temporary file, and leaves the run spoilt.

    Steps cost what they cost at moments spread over the run. Measuring is put together from what the network costs an
    example and how often each attack asks it; nobody knows yet how many examples will be right, and how soon attacks
    will break them: see `RIGHT` and `SOON`, and `Cost.at_most` for the most it can be.

    Args:
        run: built, not trained; within its `surroundings`.
        seconds: to spend, roughly; a machine on which a few images take longer spends more.

    Raises:
        RobustkitError: what the run itself would raise in its first steps or while it measures.
    """
    try:
        return _estimated(run, seconds)
    finally:
        run.data.close()


def _estimated(run: Run, seconds: float) -> Estimate:
    began, before = time.perf_counter(), memory_in_use(run.device)
    trial = try_steps(run, _STEPS * seconds)
    network = NetworkTrial(run)
    each, at_a_time = network.seconds(_NETWORK * seconds)
    asking = _Asking(run, each, network.operations())
    recipe, data = run.recipe, run.data
    times = len(range(recipe.evaluation.every_epochs, recipe.epochs, recipe.evaluation.every_epochs)) + 1
    validation = sum(asking.parts(len(data.validation), recipe.evaluation.attacks).values(), NOTHING)
    final = asking.parts(len(data.test), recipe.evaluation.final_attacks)
    memory = footprint(run, before, trial.activations, network.activations())
    books, steps = keep_books(run), run.clock.epochs * run.clock.batches
    step = StepCost(recipe.batch_size, trial.seconds, trial.flops, measured_peaks(run))
    training = steps * step.total_seconds + books.seconds + trial.compilation
    return Estimate(
        step=step,
        trial=trial,
        books=books,
        training=Cost(training, training, steps * step.total_flops),
        validation=validation.times(times),
        final=final,
        memory=memory,
        calibration=time.perf_counter() - began,
        measured_at_a_time=at_a_time,
        epochs=recipe.epochs,
    )


class _Asking:
    """Puts the cost of measuring together."""

    def __init__(self, run: Run, seconds: NetworkCost, flops: NetworkCost) -> None:
        self._run, self._seconds, self._flops = run, seconds, flops
        self._asked: list[tuple[Attack, Queries, Queries]] = []

    def parts(self, examples: int, attacks: Mapping[str, Attack]) -> dict[str, Cost]:
        """Measuring every network on so many examples: `natural`, and by attack."""
        networks, natural = 1 + len(self._run.learners), self._seconds.natural * examples
        parts = {"natural": Cost(natural, natural, self._flops.natural * examples)}
        parts |= {name: self._attack(attack, examples) for name, attack in attacks.items()}
        return {name: part.times(networks) for name, part in parts.items()} if examples else {}

    def _attack(self, attack: Attack, examples: int) -> Cost:
        stands, falls = self._queries(attack)
        soon = SOON * self._example(falls) + (1 - SOON) * self._example(stands)
        most = max(self._example(falls), self._example(stands))
        return Cost(
            RIGHT * examples * soon + self._batches(RIGHT * examples) * stands.batch_seconds,
            examples * most + self._batches(examples) * stands.batch_seconds,
            examples * self._flops.of(stands),
        )

    def _example(self, asked: Queries) -> float:
        return self._seconds.of(asked) + asked.image_seconds

    def _batches(self, examples: float) -> int:
        return math.ceil(examples / self._run.recipe.evaluation.batch_size)

    def _queries(self, attack: Attack) -> tuple[Queries, Queries]:
        for known, stands, falls in self._asked:
            if known == attack:
                return stands, falls
        train, dtype = self._run.data.train, self._run.data.dtype
        settings: Any = {"device": self._run.device, "dtype": dtype}
        both = [queries(attack, train.image_shape, train.num_classes, stands=s, **settings) for s in (True, False)]
        self._asked.append((attack, both[0], both[1]))
        return both[0], both[1]
