"""WA and SWA against means taken by hand; aggregators that merge nothing."""

from __future__ import annotations

import pytest
import torch
from robustkit_averaging import SWA, WA, Single, Unmerged
from two_floats import learner, moments, network, train, weights

from robustkit import Clock, LearnerWeights

EPOCHS, BATCHES = 8, 3


def walk(names):
    """Learners that move at random: a snapshot of each for every step of a run, and the path that hands them out."""
    generator = torch.Generator().manual_seed(0)
    steps = EPOCHS * BATCHES
    snapshots = {name: torch.randn(steps, 2, generator=generator, dtype=torch.float64) for name in names}
    return snapshots, lambda clock: {name: learner(*values[clock.step - 1]) for name, values in snapshots.items()}


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]], ids=len)
@pytest.mark.parametrize("start_epoch", [1, 4, 8])
def test_wa_is_the_mean_of_all_batches_since_its_start(names, start_epoch):
    snapshots, path = walk(names)
    history = train(WA(start_epoch=start_epoch), weights(9, 9), path, EPOCHS, BATCHES)
    means = torch.stack(list(snapshots.values())).mean(0)
    first = (start_epoch - 1) * BATCHES
    for step in range(EPOCHS * BATCHES):
        expected = means[step] if step < first else means[first : step + 1].mean(0)
        assert history[step] == pytest.approx(expected.tolist(), rel=0, abs=1e-12), step


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]], ids=len)
@pytest.mark.parametrize(("start_epoch", "every", "ends"), [(1, 1, range(1, 9)), (3, 2, [3, 5, 7]), (8, 5, [8])])
def test_swa_is_the_mean_of_its_snapshots(names, start_epoch, every, ends):
    snapshots, path = walk(names)
    aggregator = SWA(start_epoch=start_epoch, every_epochs=every)
    history = train(aggregator, weights(9, 9), path, EPOCHS, BATCHES)
    means = torch.stack(list(snapshots.values())).mean(0)
    for step in range(EPOCHS * BATCHES):
        taken = [epoch * BATCHES - 1 for epoch in ends if epoch * BATCHES - 1 <= step]
        expected = means[taken].mean(0) if taken else means[step]
        assert history[step] == pytest.approx(expected.tolist(), rel=0, abs=1e-12), step


@pytest.mark.parametrize("aggregator", [WA(), SWA(), Single(), Unmerged(learner="only")], ids=repr)
def test_a_moving_average_is_taken_where_a_learner_keeps_one(aggregator):
    merged = weights(0, 0)
    aggregator.update(Clock(1, 1, 1, 1), merged, {"only": learner(1, 1, average=(5, 6))})
    assert merged["w"].tolist() == [5, 6]


def test_wa_averages_batch_norm_statistics_and_copies_the_counter():
    merged = network(0, 0, count=0)
    for batch, (mean, var, count) in enumerate([(1, 2, 5), (3, 6, 6)], start=1):
        WA().update(Clock(1, 2, 1, batch), merged, {"only": LearnerWeights(network(mean, var, count))})
    assert [merged[name].item() for name in network(0, 0, 0)] == [0, 2, 4, 6]


def test_swa_leaves_batch_norm_statistics_to_the_engine_from_its_first_snapshot_on():
    merged, aggregator = network(0, 0, count=0), SWA(start_epoch=2)
    seen = []
    for clock in moments(3, 2):
        if clock.batch > 0:
            aggregator.update(clock, merged, {"only": LearnerWeights(network(clock.step, 1, clock.step, w=clock.step))})
            recomputes = aggregator.recomputes_batch_norm(clock)
            seen.append((merged["w"].item(), merged["bn.running_mean"].item(), recomputes))
    # follows for three batches; snapshots at steps 4 and 6, statistics as they were before the first
    assert seen == [(1, 1, False), (2, 2, False), (3, 3, False), (4, 3, True), (4, 3, False), (5, 3, True)]
    assert merged["bn.num_batches_tracked"].item() == 6


def test_nothing_is_dealt_out():
    for aggregator in (WA(), SWA(), Single(), Unmerged(learner="a")):
        assert not any(aggregator.redistributes(clock) for clock in moments(3, 2))


@pytest.mark.parametrize("cls", [WA, SWA])
def test_a_start_past_the_end(cls):
    (problem,) = cls(start_epoch=11).problems_in_run(["a"], 10)
    assert problem.path == ("start_epoch",)
    assert problem.message == "expected an epoch of this run, 1 to 10, got 11."
    assert list(cls(start_epoch=10).problems_in_run(["a", "b"], 10)) == []


def test_single_refuses_several_learners_and_says_who_merges():
    (problem,) = Single().problems_in_run(["natural", "robust"], 10)
    assert problem.path == ()
    assert "got 2: natural, robust." in problem.message
    assert all(name in problem.message for name in ("generalist", "wa", "swa", "none"))
    assert list(Single().problems_in_run(["robust"], 10)) == []


def test_unmerged_deploys_the_named_learner_exactly():
    merged = weights(0, 0)
    learners = {"natural": learner(0.1, 0.2), "robust": learner(0.3, 0.7)}
    Unmerged(learner="robust").update(Clock(1, 1, 1, 1), merged, learners)
    assert torch.equal(merged["w"], learners["robust"]["w"])


def test_unmerged_refuses_an_unknown_learner():
    (problem,) = Unmerged(learner="robst").problems_in_run(["natural", "robust"], 10)
    assert problem.path == ("learner",)
    assert "there is no learner 'robst'. Did you mean 'robust'?" in problem.message
    assert list(Unmerged(learner="robust").problems_in_run(["natural", "robust"], 10)) == []
