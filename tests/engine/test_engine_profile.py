"""`profile=True`: what is measured, by hand where that can be; and that watching changes nothing."""

from __future__ import annotations

import gzip
import json

import pytest
import torch

from robustkit import run
from robustkit.engine.cost import profiler, step_cost, tracer
from robustkit.engine.cost.step_cost import Peaks, StepCost
from robustkit.engine.listener import Listener
from robustkit.errors import TrainingError

BATCH, SIZE, WIDTH, CLASSES = 8, 6, 4, 3
CONVOLUTION = 2 * BATCH * WIDTH * 9 * SIZE * SIZE
LINEAR = 2 * BATCH * WIDTH * SIZE * SIZE * CLASSES
TRAINED = (CONVOLUTION + LINEAR) + (CONVOLUTION + 2 * LINEAR)
"""Forward and backward of a training pass; images need no gradient."""
ATTACKED = 2 * 2 * (CONVOLUTION + LINEAR)
"""PGD of two steps: two forwards, two ways back to the images, no gradient of a weight."""


@pytest.fixture(autouse=True)
def _known_peak(monkeypatch):
    monkeypatch.setattr(step_cost, "convolution_peak", lambda device, dtype: 1e12)


@pytest.fixture
def profiled(plugins, recipe, tmp_path):
    """`profiled(**changes)`: the finished run and its profile."""

    def profiled(folder="run", **changes):
        settings = {name: changes.pop(name) for name in ("trace", "listener", "stop_after") if name in changes}
        made = recipe(**{"epochs": 3, **changes})
        finished = run(made, output=tmp_path / folder, plugins=plugins, profile=True, **settings)
        return finished, finished.folder.read_json(finished.folder.profile)

    return profiled


def test_operations_of_a_step_are_those_counted_by_hand(profiled, data):
    attack = {"use": "pgd", "eps": 0.1, "step_size": 0.05, "steps": 2, "keep": "last"}
    learners = data()["learners"]
    learners["robust"]["strategy"]["attack"] = attack
    _, profile = profiled(learners=learners)
    step = profile["step"]
    assert step["phases"]["training passes"]["flops"] == 2 * TRAINED
    assert step["phases"]["attack"]["flops"] == ATTACKED
    assert step["flops"] == 2 * TRAINED + ATTACKED
    assert step["flops_per_image"] == step["flops"] / BATCH
    assert all(
        found["flops"] == 0 for name, found in step["phases"].items() if "passes" not in name and name != "attack"
    )


def test_the_figures_hang_together(profiled):
    _, profile = profiled()
    step, steps = profile["step"], profile["steps"]
    assert steps == {"timed": 3 * 3 - profiler.LEFT_OUT, "left_out": profiler.LEFT_OUT}  # three batches an epoch
    assert list(step["phases"]) == [
        "data", "attack", "training passes", "optimizer", "averaging", "aggregator", "other",
    ]  # fmt: skip
    assert sum(found["seconds"] for found in step["phases"].values()) == pytest.approx(step["seconds"])
    assert sum(found["share_of_time"] for found in step["phases"].values()) == pytest.approx(1)
    assert step["images_per_second"] == pytest.approx(BATCH / step["seconds"])
    assert step["share_of_peak"] == pytest.approx(step["flops"] / step["seconds"] / 1e12)
    assert step["phases"]["attack"]["precision"] == "float32"
    assert step["peaks"] == {"float32": 1e12}
    assert profile["seconds_outside_steps"]["evaluation"] > 0
    assert profile["seconds_outside_steps"]["other"] > 0
    assert profile["peak_memory"] > 1e7
    assert (profile["device"], profile["threads"], profile["trace"]) == ("cpu", 1, None)


def test_a_watched_run_is_bit_by_bit_the_unwatched_one(profiled, train, compare, data):
    plain = train(epochs=3)
    watched, _ = profiled(trace=True)
    assert compare.difference(plain.path, watched.path) == []


def test_what_is_compiled_is_counted_uncompiled_and_warms_up_first(profiled, monkeypatch):
    stances = []

    class Compiled(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self._orig_mod = model

        def forward(self, images):
            stances.append(_stance())
            return self._orig_mod(images)

    monkeypatch.setattr(torch, "compile", Compiled)
    _, profile = profiled(compute={"compile": "training"})
    assert profile["step"]["phases"]["training passes"]["flops"] == 2 * TRAINED
    a_step = 2  # learners
    assert stances[: 3 * a_step] == ["default"] * a_step + ["force_eager"] * a_step + ["default"] * a_step


def _stance():
    from torch._dynamo.eval_frame import _stance

    return _stance.stance


@pytest.mark.parametrize("epochs", [1])
def test_a_run_too_short_to_be_timed_says_so(profiled, epochs):
    _, profile = profiled(epochs=epochs, batch_size=20)
    assert profile["step"] is None
    assert profile["steps"] == {"timed": 0, "left_out": 1}


def test_a_trace_of_three_steps_that_are_not_timed(profiled):
    finished, profile = profiled(trace=True)
    assert profile["trace"] == "trace.json.gz"
    assert profile["steps"] == {
        "timed": 9 - profiler.LEFT_OUT - tracer.STEPS,
        "left_out": profiler.LEFT_OUT + tracer.STEPS,
    }
    events = json.loads(gzip.decompress(finished.folder.trace.read_bytes()))["traceEvents"]
    names = [event.get("name") for event in events]
    assert names.count("attack") == tracer.STEPS
    assert names.count("training passes") == 2 * tracer.STEPS
    assert any("conv" in name for name in names if name)


def test_a_trace_is_cut_short_where_steps_are_large(profiled, monkeypatch):
    calls = []
    limited = tracer.Tracer.limited
    monkeypatch.setattr(tracer.Tracer, "limited", lambda self, count: (calls.append(count), limited(self, count))[1])
    profiled(trace=True)
    monkeypatch.setattr(tracer, "CALLS", calls[0] * 2 + 1)
    finished, profile = profiled(trace=True, folder="short")
    names = [
        event.get("name") for event in json.loads(gzip.decompress(finished.folder.trace.read_bytes()))["traceEvents"]
    ]
    assert names.count("attack") == 2
    assert profile["steps"]["left_out"] == profiler.LEFT_OUT + 2


def test_no_trace_of_steps_beyond_bounds(profiled, monkeypatch):
    class Ear(Listener):
        heard: list[str] = []

        def warned(self, text):
            self.heard.append(text)

    monkeypatch.setattr(tracer, "CALLS", 10)
    finished, profile = profiled(trace=True, listener=Ear())
    assert profile["trace"] is None
    assert not finished.folder.trace.exists()
    assert "no trace is written: a step calls " in Ear.heard[0]
    assert profile["steps"]["timed"] == 7


def test_an_interrupted_run_keeps_its_profile(profiled, tmp_path):
    class Impatient(Listener):
        def batch_ended(self, run):
            if run.clock.step == 6:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profiled(listener=Impatient())
    profile = json.loads((tmp_path / "run" / "profile.json").read_text())
    assert profile["steps"]["timed"] == 3
    assert profile["step"]["seconds"] > 0


def test_a_failing_run_leaves_no_profile_and_no_counting(profiled, data, tmp_path):
    learners = data()["learners"]
    learners["natural"]["strategy"] = {"use": "watched", "not_a_number_at": 2}
    with pytest.raises(TrainingError):
        profiled(learners=learners)
    assert not (tmp_path / "run" / "profile.json").exists()
    assert _stance() == "default"
    assert torch.utils._python_dispatch._get_current_dispatch_mode() is None


def test_what_the_run_tells_is_passed_on(profiled):
    class Ear(Listener):
        def __init__(self):
            self.heard = []

        def started(self, run):
            self.heard.append("started")

        def batch_ended(self, run):
            self.heard.append("batch")

        def epoch_ended(self, run, metrics):
            self.heard.append("epoch")

        def measuring(self, network, part, done, total):
            self.heard.append("measuring")

        def ended(self, run, report):
            self.heard.append("ended")

    ear = Ear()
    profiled(listener=ear, epochs=1)
    measured = ["measuring"] * ear.heard.count("measuring")
    assert [word for word in ear.heard if word != "measuring"] == ["started", *["batch"] * 3, "epoch", "ended"]
    assert len(measured) == 2 * 3  # clean, every network, validation and test


def test_stopping_early_leaves_a_profile(profiled):
    _, profile = profiled(stop_after=1)
    assert profile["steps"] == {"timed": 1, "left_out": 2}


def test_shares_of_the_peak_are_of_each_phases_precision():
    peaks = Peaks(torch.bfloat16, torch.float32, {torch.bfloat16: 400.0, torch.float32: 100.0})
    cost = StepCost(
        10, {"attack": 1.0, "training passes": 1.0, "data": 2.0}, {"attack": 200.0, "training passes": 75.0}, peaks
    )
    found = cost.plain()
    assert found["phases"]["attack"]["share_of_peak"] == 0.5
    assert found["phases"]["training passes"]["share_of_peak"] == 0.75
    assert found["share_of_peak"] == pytest.approx((200 / 400 + 75 / 100) / 4)
    assert found["images_per_second"] == 2.5
    assert "share_of_peak" not in found["phases"]["data"]
    assert found["peaks"] == {"bfloat16": 400.0, "float32": 100.0}
