"""A run, watched: where its time goes, how many operations a step takes, and a trace of a few steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch

from robustkit.components.phases import watched
from robustkit.engine.cost.memory import memory_in_use, peak_memory
from robustkit.engine.cost.operations import counting
from robustkit.engine.cost.step_cost import Peaks, StepCost, measured_peaks
from robustkit.engine.cost.stopwatch import Amounts, Meter, Watches, added, stopwatch
from robustkit.engine.cost.tracer import CALLS, Tracer
from robustkit.engine.listener import Listener, Watched
from robustkit.models.files import write_text

if TYPE_CHECKING:
    from robustkit.engine.run import Run

LEFT_OUT = 2
"""Steps that are never timed: the first warms up, in the second operations are counted."""


@contextmanager
def profiled(run: Run, *, trace: bool = False) -> Iterator[None]:
    """Within it, the run is watched; afterwards, also when it was interrupted, its folder has a profile.json.

    Watching changes no result, except that with `compute.compile` the second step runs uncompiled, so rounds otherwise.

    Args:
        run: about to be trained, or to go on.
        trace: also write trace.json.gz, a torch profiler trace of at most three steps, which are not timed.
    """
    tracer = Tracer(run.folder.trace, run.device) if trace else None
    peaks = measured_peaks(run)
    memory_in_use(run.device)  # a GPU's peak counts from here
    profiler = Profiler(run.listener, run.device, tracer)
    run.listener, before = profiler, run.listener
    interrupted: KeyboardInterrupt | None = None
    try:
        with watched(profiler.watches):
            yield
    except KeyboardInterrupt as error:
        interrupted = error
    finally:
        run.listener = before
        profiler.close()
    write_text(run.folder.profile, json.dumps(profiler.found(run, peaks), indent=2) + "\n")
    if interrupted is not None:
        raise interrupted


class Profiler(Listener):
    """Hears when steps begin and end, and keeps the accounts; what it hears, it passes on.

    Args:
        heard: the listener it stands in front of.
        device: what the run computes on.
        tracer: traces the first steps after those that are left out anyway.
    """

    def __init__(self, heard: Listener, device: torch.device, tracer: Tracer | None = None) -> None:
        self._heard, self._tracer = heard, tracer
        self._stopwatch = stopwatch(device)
        self.watches = Watches(self._stopwatch)
        """To be told of the run's phases."""
        self._step, self._steps, self._timed, self._time_it = ExitStack(), 0, 0, False
        self._seconds: Amounts = {}
        self._outside: Amounts = {}
        self._flops: Amounts = {}

    def started(self, run: Watched) -> None:
        """The first step is next."""
        self._heard.started(run)
        self._stopwatch.taken()
        self._step_begins()

    def batch_ended(self, run: Watched) -> None:
        """A step has ended; the next begins, unless the epoch has ended too."""
        self._heard.batch_ended(run)
        self._step_ends()
        if run.clock.batch < run.clock.batches:
            self._step_begins()

    def epoch_ended(self, run: Watched, metrics: Mapping[str, Any]) -> None:
        """Everything that comes after an epoch is done."""
        self._heard.epoch_ended(run, metrics)
        if run.clock.epoch < run.clock.epochs:
            self._step_begins()

    def measuring(self, network: str, part: str, done: int, total: int) -> None:
        """Passed on."""
        self._heard.measuring(network, part, done, total)

    def warned(self, text: str) -> None:
        """Passed on."""
        self._heard.warned(text)

    def ended(self, run: Watched, report: Mapping[str, Any]) -> None:
        """Passed on."""
        self._heard.ended(run, report)

    def close(self) -> None:
        """Stop watching, wherever the run is; a trace that was begun is written."""
        self._step.close()
        if self._tracer is not None:
            self._tracer.close()
        self._outside = added(self._outside, self._stopwatch.taken())

    def found(self, run: Run, peaks: Peaks) -> dict[str, Any]:
        """What profile.json holds. Without a timed step, which takes three steps or more, `step` is None."""
        each = {phase: seconds / self._timed for phase, seconds in self._seconds.items()} if self._timed else {}
        evaluation = self._outside.get("evaluation", 0.0)
        return {
            "device": str(run.device),
            "threads": torch.get_num_threads(),
            "steps": {"timed": self._timed, "left_out": self._steps - self._timed},
            "waits_for_device": run.device.type == "cuda",
            "step": StepCost(run.recipe.batch_size, each, self._flops, peaks).plain() if each else None,
            "seconds_outside_steps": {"evaluation": evaluation, "other": sum(self._outside.values()) - evaluation},
            "peak_memory": peak_memory(run.device),
            "trace": run.folder.trace.name if self._tracer and self._tracer.written else None,
        }

    def _step_begins(self) -> None:
        self._outside = added(self._outside, self._stopwatch.taken())
        traced = self._tracer is not None and self._tracer.wanted and self._steps >= LEFT_OUT
        self._time_it = self._steps >= LEFT_OUT and not traced
        if self._steps == LEFT_OUT - 1:
            self._step.enter_context(self._counted())
        elif traced:
            self._step.enter_context(self._traced())

    def _step_ends(self) -> None:
        seconds = self._stopwatch.taken()
        if self._time_it:
            self._seconds = added(self._seconds, seconds)
            self._timed += 1
        self._steps += 1
        self._step.close()
        self._stopwatch.taken()  # what watching itself took

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with counting() as operations:
            meter = Meter(lambda: operations.flops)
            with self.watches.telling(meter):
                yield
        self._flops = meter.taken()
        if self._tracer is not None and not self._tracer.limited(operations.calls):
            text = f"no trace is written: a step calls {operations.calls:,} operators, at most {CALLS:,} are traced."
            self._heard.warned(text)

    @contextmanager
    def _traced(self) -> Iterator[None]:
        assert self._tracer is not None
        self._tracer.start_step()
        with self.watches.telling(self._tracer):
            yield
        self._tracer.end_step()
