"""The seed decides a run and nothing else does; and the run leaves the process as it found it."""

from __future__ import annotations

import random

import numpy
import pytest
import torch

from robustkit import Listener
from robustkit.errors import TrainingError

RANDOM = {
    "augmentation": [{"use": "brightness", "label": "shared"}],
    "architecture": {"use": "tiny", "dropout": 0.3},
}


def learners(data, *names, **changes):
    """Some of three learners that all draw random numbers."""
    natural, robust = data()["learners"].values()
    own = {"augmentation": [{"use": "brightness", "label": "own"}]}
    every = {"natural": {**natural, **own}, "robust": robust, "third": {**robust, **own}}
    return {name: {**every[name], **changes} for name in names}


@pytest.fixture
def both(data):
    return {**RANDOM, "learners": learners(data, "natural", "robust")}


def test_the_same_seed_gives_the_same_bits(train, both, compare):
    first = train(**both)
    torch.manual_seed(999), numpy.random.seed(999), random.seed(999)  # whatever else the process draws
    torch.rand(7)
    assert compare.difference(first.path, train(**both).path) == []


def test_another_seed_gives_other_weights(train, both, compare):
    one, other = (compare.results(train(**both, seed=seed).path) for seed in (1, 2))
    trained = [name for name in one if name.startswith("weights") and name.endswith("weight")]
    assert len(trained) == 9  # three layers of three networks
    assert not any(torch.equal(one[name], other[name]) for name in trained)


def test_learners_start_equal_and_apart(train):
    class Start(Listener):
        def started(self, run):
            first, second = (learner.weights.raw for learner in run.learners.values())
            assert first.keys() == second.keys() == run.merged.keys()
            for name, tensor in run.merged.items():
                assert torch.equal(first[name], tensor)
                assert torch.equal(second[name], tensor)
                assert len({first[name].data_ptr(), second[name].data_ptr(), tensor.data_ptr()}) == 3
            self.heard = True

    listener = Start()
    train(listener=listener)
    assert listener.heard


@pytest.mark.parametrize("position", ["first", "last"])
def test_a_third_learner_changes_nothing_for_the_others(train, data, compare, position):
    apart = {**RANDOM, "aggregator": {"use": "none", "learner": "natural"}}
    order = ["third", "natural", "robust"] if position == "first" else ["natural", "robust", "third"]
    two = compare.results(train(**apart, learners=learners(data, "natural", "robust")).path)
    three = compare.results(train(**apart, learners=learners(data, *order)).path)
    shared = [name for name in two if name.endswith((".weight", ".bias", "running_mean", "running_var"))]
    assert len(shared) > 20
    assert all(torch.equal(two[name], three[name]) for name in shared)


def surroundings():
    generators = torch.get_rng_state().tolist(), str(numpy.random.get_state()), random.getstate()
    cudnn = torch.backends.cudnn
    return *generators, torch.get_num_threads(), cudnn.deterministic, cudnn.benchmark, torch.is_grad_enabled()


@pytest.mark.parametrize("broken", [False, True])
def test_the_process_is_left_as_it_was(train, data, broken):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.backends.cudnn.benchmark = True
    random.random(), numpy.random.rand(3), torch.rand(3)
    before = surroundings()
    strategy = {"use": "watched", "not_a_number_at": 4 if broken else 0}
    try:
        if broken:
            with pytest.raises(TrainingError):
                train(**RANDOM, learners=learners(data, "natural", "robust", strategy=strategy))
        else:
            train(**RANDOM, learners=learners(data, "natural", "robust", strategy=strategy))
        assert surroundings() == before
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.benchmark = False


def test_the_recipe_sets_the_number_of_threads(train):
    class Threads(Listener):
        counts = []

        def batch_ended(self, run):
            self.counts.append(torch.get_num_threads())

    before = torch.get_num_threads()
    train(threads=2, epochs=1, listener=Threads())
    assert set(Threads.counts) == {2}
    assert torch.get_num_threads() == before


def test_a_learner_draws_for_its_own_name_and_step(train, data):
    """Two learners of equal recipes see the same images and start alike, but draw dropout and augmentation apart."""
    natural = data()["learners"]["natural"]
    twins = {"a": natural, "b": natural}
    finished = train(**RANDOM, learners=twins, aggregator={"use": "none", "learner": "a"})
    a, b = (finished.model(name).weights() for name in "ab")
    assert not torch.equal(a["6.weight"], b["6.weight"])
    plain = train(learners=twins, aggregator={"use": "none", "learner": "a"})
    a, b = (plain.model(name).weights() for name in "ab")
    assert all(torch.equal(a[name], b[name]) for name in a)
