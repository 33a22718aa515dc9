"""Mixes of a run's learners: exact at the ends, averages between, statistics as asked."""

from __future__ import annotations

import json
from math import comb
from pathlib import Path
from typing import Any

import pytest
import torch
from curve_parts import TINY
from hypothesis import given
from hypothesis import strategies as st

import robustkit
from robustkit import MixPath, load_run, mix_path, mixed_network
from robustkit.curves.mixing import Mixer, simplex
from robustkit.errors import InputError, RobustkitError


@given(st.integers(2, 5), st.integers(2, 6))
def test_a_grid_on_the_simplex_is_all_of_it(learners: int, grid: int) -> None:
    points = simplex(learners, grid)
    assert len(points) == len(set(points)) == comb(grid + learners - 2, learners - 1)
    for point in points:
        assert sum(point) == pytest.approx(1.0, abs=1e-12)
        assert all(share >= 0 and (share * (grid - 1)) == pytest.approx(round(share * (grid - 1))) for share in point)
    assert points[0] == (1.0, *[0.0] * (learners - 1))
    assert points[-1] == (*[0.0] * (learners - 1), 1.0)


def test_two_learners_make_a_line() -> None:
    assert simplex(2, 5) == [(1, 0), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0, 1)]
    with pytest.raises(InputError, match="at least 2 learners"):
        simplex(1, 5)


def test_the_ends_of_the_path_are_the_learners_own_figures(finished: Path) -> None:
    run = load_run(finished)
    path = mix_path(run, grid=3, split="test")
    networks = run.report["networks"]
    for mix, name in ((path.mixes[0], "natural"), (path.mixes[-1], "robust"), (path.merged, "global")):
        assert {part: found.plain() for part, found in mix.accuracies.items()} == networks[name]
    assert path.mixes[1].shares == {"natural": 0.5, "robust": 0.5}
    assert (path.split, path.batch_norm, path.mixes[0].robust) == (
        "test",
        "average",
        path.mixes[0].accuracies["worst-case"],
    )
    assert "no unbiased test figures left" in path.caution()
    assert MixPath.from_plain(json.loads(json.dumps(path.plain()))) == path


def test_on_the_validation_split_the_ends_are_the_last_epochs_figures(finished: Path) -> None:
    run = load_run(finished)
    path = mix_path(run, grid=2)
    last = run.metrics[-1]
    for mix, figures in (
        (path.mixes[0], last["learners"]["natural"]),
        (path.mixes[1], last["learners"]["robust"]),
        (path.merged, last["global"]),
    ):
        assert {part: found.share for part, found in mix.accuracies.items()} == figures["validation"]
    assert list(path.attacks) == ["pgd-1"]
    assert "does not touch the test split" in path.caution()
    assert mix_path(run, grid=2, examples=10).merged.natural.examples == 10


def test_the_best_mix_follows_the_weight(finished: Path) -> None:
    path = mix_path(load_run(finished), grid=5)
    for weight in (0.0, 0.3, 1.0):
        scores = [weight * mix.natural.share + (1 - weight) * mix.robust.share for mix in path.mixes]
        assert path.best(weight) is path.mixes[scores.index(max(scores))]
    with pytest.raises(InputError, match="expected a weight from 0"):
        path.best(1.5)


def test_a_learner_alone_is_itself_bit_for_bit(finished: Path) -> None:
    run = load_run(finished)
    for batch_norm in ("average", "recompute"):
        for name in ("natural", "robust"):
            mixed: Any = mixed_network(run, {name: 1.0}, batch_norm=batch_norm)
            for key, tensor in run.model(name).weights().items():
                assert torch.equal(mixed.weights()[key], tensor), key


def test_between_learners_every_tensor_is_an_average(finished: Path) -> None:
    run = load_run(finished)
    natural, robust = (run.model(name).weights() for name in ("natural", "robust"))
    mixed = mixed_network(run, {"natural": 0.25, "robust": 0.75})
    assert not mixed.training
    for key, tensor in mixed.weights().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, 0.25 * natural[key] + 0.75 * robust[key], msg=key)


def test_recomputed_statistics_are_those_of_the_training_images(finished: Path) -> None:
    run, shares = load_run(finished), {"natural": 0.5, "robust": 0.5}
    mixer = Mixer(run, batch_norm="recompute")
    mixed = mixer.network(shares)
    first = next(layer for layer in mixed.modules() if isinstance(layer, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    hook = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    with torch.no_grad():
        for images in mixer.data.plain_batches():
            mixed(images)
    hook.remove()
    # What a network's first layer sees does not depend on statistics: the mean over batches of its input's means.
    expected = torch.stack([batch.mean((0, 2, 3)) for batch in seen]).mean(0)
    torch.testing.assert_close(first.running_mean, expected)
    averaged = mixed_network(run, shares).weights()
    differing = {key for key, tensor in mixed.weights().items() if not torch.equal(tensor, averaged[key])}
    assert {key.rpartition(".")[2] for key in differing} == {"running_mean", "running_var"}


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"natral": 1.0}, "no learner 'natral'. Did you mean 'natural'? Known: natural, robust."),
        ({"natural": 0.5, "robust": 0.6}, "expected shares that add up to 1"),
        ({"natural": 1.5, "robust": -0.5}, "expected shares from 0 to 1, got 1.5 of natural"),
        ({}, "expected shares that add up to 1"),
    ],
)
def test_shares_that_are_none_are_refused(finished: Path, shares: dict[str, float], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        mixed_network(load_run(finished), shares)
    assert expected in str(caught.value)


def test_runs_that_cannot_be_mixed_say_why(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    words = [
        "epochs=1",
        "validation_examples=0",
        "evaluation.final_attacks={}",
        "evaluation.attacks={}",
        "aggregator=wa",
    ]
    run = robustkit.run(tmp_path / "tiny.yaml", *words, output=tmp_path / "run")
    with pytest.raises(InputError, match="the recipe names no attacks"):
        mix_path(run)
    attacks: Any = {"noise": robustkit.make("attack", "noise", eps=0.1)}
    with pytest.raises(RobustkitError, match="held out no validation examples"):
        mix_path(run, attacks=attacks)
    assert len(mix_path(run, attacks=attacks, split="test", grid=2).mixes) == 2
