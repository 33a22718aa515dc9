"""Checkpoints that are damaged, foreign, or of another run are refused, and nothing is lost over it."""

from __future__ import annotations

import contextlib
import json
import struct

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from robustkit import run
from robustkit.engine.checkpoint import Progress, load_checkpoint, save_checkpoint
from robustkit.engine.folder import RunFolder
from robustkit.engine.run import Run
from robustkit.errors import TrainingError, WeightsError


@pytest.fixture
def build(recipe, plugins, tmp_path):
    """A run that is built but has not begun."""
    return lambda **changes: Run(recipe(**changes), RunFolder(tmp_path / "built"), plugins)


@pytest.fixture
def saved(build, tmp_path):
    """A checkpoint of a tiny run after its first epoch, and the run."""
    job = build()
    job.write_lock()
    job.train()
    return job.folder.checkpoint, job


def refused(path, job, words):
    with pytest.raises(WeightsError) as caught:
        load_checkpoint(path, job.merged, job.learners)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert words in text


def test_what_is_saved_is_what_is_loaded(saved, build):
    path, job = saved
    fresh = build()
    progress = load_checkpoint(path, fresh.merged, fresh.learners)
    assert progress == job.progress
    assert all(torch.equal(fresh.merged[name], tensor) for name, tensor in job.merged.items())
    for name, learner in job.learners.items():
        twin = fresh.learners[name]
        for one, other in ((learner.weights.raw, twin.weights.raw), (learner.weights, twin.weights)):
            assert all(torch.equal(one[key], other[key]) for key in one)
        kept, given = (each.optimizer.state_dict() for each in (learner, twin))
        assert kept["param_groups"] == given["param_groups"]
        for index, state in kept["state"].items():
            assert all(torch.equal(tensor, given["state"][index][key]) for key, tensor in state.items())


def test_a_missing_checkpoint(build, tmp_path):
    refused(tmp_path / "none.safetensors", build(), "there is no such file")


@pytest.mark.parametrize("left", [0, 7, 100, -1])
def test_a_truncated_checkpoint(saved, left):
    path, job = saved
    path.write_bytes(path.read_bytes()[:left])
    refused(path, job, "damaged")


def test_a_safetensors_file_that_is_not_ours(saved, tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "foreign.safetensors")
    refused(tmp_path / "foreign.safetensors", saved[1], "expected a header of format 'robustkit-1'")


def test_a_weights_file_is_no_checkpoint(train, build):
    finished = train()
    refused(finished.folder.weights("global"), build(), "does not fit the recipe: 'progress'")


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": {"use": "tiny", "width": 6}},
        {"architecture": {"use": "tiny", "flat": True}},
        {"dataset": {"use": "corners", "classes": 4, "test_classes": 4}},
    ],
)
def test_another_network(saved, build, changes):
    refused(saved[0], build(**changes), "does not fit the recipe")


def test_another_learner(saved, build, data):
    learners = data()["learners"]
    learners["stranger"] = learners.pop("robust")
    aggregator = {"use": "generalist", "mix": {"stranger": 0.5}}
    job = build(learners=learners, aggregator=aggregator)
    refused(saved[0], job, "does not fit the recipe: 'learners/stranger/raw/")


def test_an_average_that_was_not_kept(saved, build, data):
    learners = data()["learners"]
    learners["robust"]["averaging"] = {}
    refused(saved[0], build(learners=learners), "does not fit the recipe: 'learners/robust/average/")


def test_a_refused_checkpoint_stays_as_it_is(train, plugins):
    finished = train()
    path = finished.folder.checkpoint
    path.write_bytes(path.read_bytes()[:-1])
    before = {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()}
    with pytest.raises(WeightsError, match="damaged"):
        run(finished.path, resume=True, plugins=plugins)
    assert {path: path.read_bytes() for path in finished.path.rglob("*") if path.is_file()} == before


def test_an_optimizer_that_keeps_more_than_a_checkpoint_holds(train, data):
    learners = data()["learners"]
    learners["natural"]["optimizer"] = {"use": "counting", "lr": 0.1, "odd": True}
    with pytest.raises(TrainingError, match="learner 'natural': the optimizer keeps 'past' as list"):
        train(learners=learners)


def rewritten(path, header):
    """The same tensors under another JSON header."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    described = json.loads(content[8 : 8 + length])
    described["__metadata__"]["robustkit"] = header
    text = json.dumps(described).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{",
        "null",
        "5",
        "[]",
        "{}",
        '{"progress": {}}',
        '{"progress": 3, "scalars": {}}',
        '{"progress": {"epochs": 1}, "scalars": {}}',
        '{"progress": {}, "scalars": []}',
        '{"progress": {}, "scalars": {"learners/natural/groups/9/lr": 1}}',
        '{"progress": {}, "scalars": {"learners/natural/optimizer/x/y": 1}}',
    ],
)
def test_headers_that_make_no_sense(saved, header):
    path, job = saved
    rewritten(path, header)
    refused(path, job, "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(position=st.floats(0, 1), byte=st.integers(0, 255))
def test_one_wrong_byte_is_an_error_of_ours_or_none(saved, build_once, position, byte):
    path, job = saved
    content = bytearray(build_once(path))
    (length,) = struct.unpack("<Q", content[:8])
    content[int(position * (8 + length - 1))] = byte
    damaged = path.with_name("damaged.safetensors")
    damaged.write_bytes(content)
    with contextlib.suppress(WeightsError):  # any other error fails the test
        load_checkpoint(damaged, job.merged, job.learners)


@pytest.fixture
def build_once():
    kept = {}
    return lambda path: kept.setdefault(path, path.read_bytes())


def test_progress_and_plain_values_come_back_exactly(build, tmp_path):
    job = build()
    progress = Progress(3, 2, 1 / 3, [{"epoch": 1, "loss": 0.1 + 0.2, "nothing": None}])
    save_checkpoint(tmp_path / "c.safetensors", progress, job.merged, job.learners)
    assert load_checkpoint(tmp_path / "c.safetensors", job.merged, job.learners) == progress
