"""A tiny run: recipe, plugins and what is compared between two results folders."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open

from robustkit import Plugins, load_recipe, run

PARTS = Path(__file__).with_name("engine_parts.py")
PGD = {"use": "pgd", "eps": 0.1, "step_size": 0.05, "steps": 2}
SGD = {"use": "sgd", "lr": 0.05, "momentum": 0.9}
TINY = {
    "name": "tiny",
    "epochs": 2,
    "batch_size": 8,
    "validation_examples": 12,
    "threads": 1,
    "device": "cpu",
    "dataset": "corners",
    "architecture": "tiny",
    "learners": {
        "natural": {"strategy": "natural", "optimizer": SGD, "averaging": {"decay": 0.9}},
        "robust": {"strategy": {"use": "adversarial", "attack": PGD}, "optimizer": SGD},
    },
    "aggregator": {"use": "generalist", "mix": {"robust": 0.5}, "decay": 0.9, "every_epochs": 1},
}


@pytest.fixture(scope="session")
def plugins():
    return Plugins(files=[PARTS])


@pytest.fixture(scope="session")
def parts(plugins):
    """The module of the tests' own components, in the copy that the plugins hold."""
    return sys.modules["robustkit_file_plugin_engine_parts"]


@pytest.fixture(autouse=True)
def _nothing_written_down_yet(parts):
    parts.SEEN.clear(), parts.CALLS.clear()


@pytest.fixture(scope="session")
def data():
    """`data(**changes)`: the tiny recipe as plain data, with some top-level keys changed."""
    return lambda **changes: {**copy.deepcopy(TINY), **changes}


@pytest.fixture(scope="session")
def recipe(plugins, data):
    """`recipe(**changes)`: the tiny recipe, built."""
    return lambda **changes: load_recipe(data(**changes), registry=plugins.registry)


@pytest.fixture
def train(plugins, recipe, tmp_path):
    """`train(**changes)`: run the tiny recipe in a new folder."""
    folders = (tmp_path / f"run-{number}" for number in range(1000))

    def train(resume=None, listener=None, output=None, **changes):
        folder = output or next(folders)
        return run(recipe(**changes), output=folder, plugins=plugins, listener=listener)

    return train


def tensors_of(path):
    """Every tensor and the header of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - no mapping


def without_times(value):
    """Plain data without what differs between two equal runs: times and what is made of them."""
    if isinstance(value, Mapping):
        timed = ("seconds", "images_per_second", "cost")
        return {key: without_times(item) for key, item in value.items() if key not in timed}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def results(folder):
    """All that a results folder says, comparable: tensors, headers, metrics, report; without times."""
    folder = Path(folder)
    found = {}
    for path in sorted(folder.rglob("*.safetensors")):
        tensors, header = tensors_of(path)
        name = str(path.relative_to(folder))
        found[name] = {key: without_times(json.loads(text)) for key, text in header.items() if key != "format"}
        found |= {f"{name}: {key}": tensor for key, tensor in tensors.items()}
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    found["metrics"] = [without_times(json.loads(line)) for line in lines]
    report = folder / "report.json"
    found["report"] = without_times(json.loads(report.read_text())) if report.is_file() else None
    return found


def difference(one, other):
    """The names of results that are not bit for bit the same in two folders; empty where all are."""
    ours, theirs = results(one), results(other)
    return [
        name
        for name in ours.keys() | theirs.keys()
        if name not in ours or name not in theirs or not _same(ours[name], theirs[name])
    ]


def _same(one, other):
    if isinstance(one, torch.Tensor):
        if one.dtype != other.dtype:
            return False
        if not one.is_floating_point():
            return torch.equal(one, other)
        return torch.equal(one.isnan(), other.isnan()) and torch.equal(one.nan_to_num(), other.nan_to_num())
    return one == other


@pytest.fixture(scope="session")
def compare():
    """What tests compare results folders with."""
    return SimpleNamespace(tensors_of=tensors_of, results=results, difference=difference)
