"""What the engine expects of aggregators."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import ClassVar, get_args

import torch
from torch import Tensor

from robustkit.components.aggregator import Aggregator, Need
from robustkit.components.clock import Clock
from robustkit.components.weights import LearnerWeights, Weights
from robustkit.errors import Problem
from robustkit.testing.bench import TinyBench
from robustkit.testing.component import ComponentSuite


class AggregatorSuite(ComponentSuite):
    """Checks an aggregator in simulated runs with one, two and three learners.

    Numbers of learners that `problems_in_run` refuses are left out; at least one number must be accepted. Set
    `learners` where the aggregator's fields name learners.
    """

    kind = "aggregator"
    aggregator: Aggregator
    learners: Sequence[str] = ("first", "second", "third")
    """Learners' names; a run with n learners takes the first n."""
    epochs: ClassVar[int] = 6
    """Length of a simulated run; it has two batches an epoch."""

    def test_accepts_some_learners(self) -> None:
        """Some number of learners is fine with it, and refusals are problems with a text."""
        refusals = [self._problems(count) for count in (1, 2, 3)]
        for problem in (problem for found in refusals for problem in found):
            assert isinstance(problem, Problem), f"problems_in_run must yield Problem objects, got {problem!r}."
            assert problem.message, "a problem needs a message."
        text = "\n".join(str(problem) for found in refusals for problem in found)
        assert not all(refusals), (
            f"{self.aggregator!r} refuses 1, 2 and 3 learners; set `learners` in the suite:\n{text}"
        )

    def test_never_changes_learners(self) -> None:
        """`update` and `settle` leave every tensor that learners offer as it was, raw weights and moving averages."""
        for run in self._runs():
            for _ in run:
                before = run.offered()
                run.merge(self.aggregator)
                same = all(map(torch.equal, before, run.offered()))
                assert same, f"a learner's weights were changed at {run.clock}."

    def test_keeps_names_shapes_and_types(self) -> None:
        """`merged` keeps its tensors: they are changed in place, stay finite, and none is added or left out."""
        for run in self._runs():
            before = {name: (id(tensor), tensor.shape, tensor.dtype) for name, tensor in run.merged.items()}
            for _ in run:
                run.merge(self.aggregator)
                after = {name: (id(tensor), tensor.shape, tensor.dtype) for name, tensor in run.merged.items()}
                assert after == before, "the tensors of `merged` must be changed in place and keep their types."
                for name, tensor in run.merged.items():
                    assert tensor.isfinite().all(), f"{name} is no longer finite at {run.clock}."

    def test_equal_weights_stay(self) -> None:
        """Where all learners and the merged weights are the same, nothing moves, up to rounding."""
        for run in self._runs(moving=False):
            expected = {name: tensor.clone() for name, tensor in run.merged.items()}
            for _ in run:
                run.merge(self.aggregator)
                for name, tensor in run.merged.items():
                    torch.testing.assert_close(tensor, expected[name], msg=f"{name} moved away from equal weights.")

    def test_finds_plain_data(self) -> None:
        """What `settle` returns is a mapping that JSON gives back as it was: it is kept in metrics and checkpoints."""
        for run in self._runs():
            for _ in run:
                run.merge(self.aggregator)
                text = json.dumps(dict(run.bench.found), allow_nan=False)
                assert json.loads(text) == run.bench.found, f"JSON does not give {run.bench.found!r} back as it was."

    def test_never_averages_integers(self) -> None:
        """Integer tensors (BatchNorm's counters) hold what they held, or exactly what some learner holds."""
        for run in self._runs():
            for _ in run:
                held = [run.merged, *(weights for learner in run.learners.values() for weights in _states_of(learner))]
                allowed = [weights["bn.num_batches_tracked"].item() for weights in held]
                run.merge(self.aggregator)
                found = run.merged["bn.num_batches_tracked"].item()
                assert found in allowed, f"num_batches_tracked became {found}, which no learner holds: {allowed}."

    def test_keeps_no_state(self) -> None:
        """Built anew before every batch, as if the run were resumed there, it merges bit by bit the same."""
        for whole, resumed in zip(self._runs(), self._runs(), strict=True):
            for _ in whole:
                next(resumed)
                resumed.bench.found = json.loads(json.dumps(resumed.bench.found))
                whole.merge(self.aggregator)
                resumed.merge(dataclasses.replace(self.aggregator))
                for name, tensor in whole.merged.items():
                    same = torch.equal(tensor, resumed.merged[name])
                    assert same, f"{name} depends on what the object saw before {whole.clock}, or on chance."

    def test_answers_by_the_clock(self) -> None:
        """Settling, dealing out and BatchNorm are decided by the clock alone: True or False, the same asked again."""
        for epoch in range(1, self.epochs + 1):
            for batch in (0, 1, 2):
                clock = Clock(self.epochs, 2, epoch, batch)
                for question in ("redistributes", "recomputes_batch_norm", "settles"):
                    answers = [getattr(self.aggregator, question)(clock) for _ in range(2)]
                    answers.append(getattr(dataclasses.replace(self.aggregator), question)(clock))
                    assert answers in ([True] * 3, [False] * 3), f"{question} answers {answers} at {clock}."
        unknown = self.aggregator.needs - set(get_args(Need))
        assert not unknown, f"needs names {unknown}, known are {get_args(Need)}."
        assert isinstance(self.aggregator.resets_optimizers, bool), "resets_optimizers must be True or False."

    def _problems(self, count: int) -> list[Problem]:
        return list(self.aggregator.problems_in_run(self.learners[:count], self.epochs))

    def _runs(self, *, moving: bool = True) -> Iterator[_SimulatedRun]:
        for count in (1, 2, 3):
            if len(self.learners) >= count and not self._problems(count):
                for dtype in (torch.float32, torch.float64):
                    yield _SimulatedRun(self.learners[:count], self.epochs, dtype, moving)


class _SimulatedRun:
    """Learners whose weights move at random. Iterating goes from batch to batch, up to where `update` is called."""

    def __init__(self, names: Sequence[str], epochs: int, dtype: torch.dtype, moving: bool) -> None:
        self.clock, self.moving = Clock(epochs, batches=2), moving
        self.generator = torch.Generator().manual_seed(0)
        self.merged = {
            "weight": torch.randn(2, 3, generator=self.generator, dtype=dtype),
            "bn.running_mean": torch.randn(2, generator=self.generator, dtype=dtype),
            "bn.running_var": torch.rand(2, generator=self.generator, dtype=dtype) + 0.5,
            "bn.num_batches_tracked": torch.tensor(0),
        }
        self.learners = {
            name: LearnerWeights(self._copy(), self._copy() if place % 2 else None) for place, name in enumerate(names)
        }
        self.bench = TinyBench(self._copy())
        for place, weights in enumerate(self._all_weights()):
            weights["bn.num_batches_tracked"] += 10 * (2**place) if moving else 0

    def __iter__(self) -> Iterator[None]:
        return self

    def __next__(self) -> None:
        if self.clock.step == self.clock.epochs * self.clock.batches:
            raise StopIteration
        if self.clock.batch == self.clock.batches:
            self.clock.start_epoch(self.clock.epoch + 1)
        self.clock.tick()
        for weights in self._all_weights() if self.moving else []:
            weights["bn.num_batches_tracked"] += 1
            for name in ("weight", "bn.running_mean", "bn.running_var"):
                weights[name] *= 0.5 + torch.rand(weights[name].shape, generator=self.generator)

    def merge(self, aggregator: Aggregator) -> None:
        """What the engine does after a batch."""
        aggregator.update(self.clock, self.merged, self.learners)
        if aggregator.settles(self.clock):
            self.bench.found = aggregator.settle(self.clock, self.merged, self.learners, self.bench)

    def offered(self) -> list[Tensor]:
        """A copy of every tensor of every learner."""
        return [tensor.clone() for weights in self._all_weights() for tensor in weights.values()]

    def _all_weights(self) -> list[Weights]:
        return [weights for learner in self.learners.values() for weights in _states_of(learner)]

    def _copy(self) -> Weights:
        return {name: tensor.clone() for name, tensor in self.merged.items()}


def _states_of(learner: LearnerWeights) -> list[Weights]:
    return [learner.raw] if learner.average is None else [learner.raw, learner.average]
