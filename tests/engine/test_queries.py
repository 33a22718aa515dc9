"""How often attacks ask the network, against what their definitions say."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
import torch
from robustkit_attacks import FGSM, PGD, Noise
from torch.nn import functional

from robustkit import Attack, perturb
from robustkit.engine.cost import queries as module
from robustkit.engine.cost.queries import queries

SHAPE = (3, 8, 8)


def asked(attack, *, stands=True, classes=10, shape=SHAPE):
    return queries(attack, shape, classes, stands=stands, device=torch.device("cpu"), dtype=torch.float32)


@pytest.mark.parametrize(
    ("attack", "forwards", "backwards"),
    [
        (PGD(eps=0.1, steps=7, keep="last"), 7, 7),
        (PGD(eps=0.1, steps=7, keep="best"), 8, 7),
        (PGD(eps=0.1, steps=7, restarts=3), 24, 21),
        (PGD(eps=0.1, steps=100, keep="first"), 101, 100),
        (PGD(eps=1.0, norm="L2", steps=7, keep="last"), 7, 7),
        (FGSM(eps=0.1), 1, 1),
        (Noise(eps=0.1), 0, 0),
    ],
)
@pytest.mark.parametrize("classes", [2, 1000])
def test_a_network_that_stands_is_asked_to_the_end(attack, forwards, backwards, classes):
    found = asked(attack, classes=classes)
    assert (found.forwards, found.backwards) == (forwards, backwards)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32)])
@pytest.mark.parametrize("step_size", [0.003, 0.01, 0.1])
def test_an_attack_that_leaves_off_where_it_goes_in_circles_does_not_go_in_circles(shape, step_size):
    found = asked(PGD(eps=0.03, step_size=step_size, steps=60, keep="first"), shape=shape)
    assert (found.forwards, found.backwards) == (61, 60)


def test_a_network_that_falls_is_not_asked_for_long():
    found = asked(PGD(eps=0.1, steps=100, keep="first"), stands=False)
    assert 0 < found.forwards < 10
    assert 0 < found.backwards < 10
    whole = asked(PGD(eps=0.1, steps=100, keep="last"), stands=False)
    assert (whole.forwards, whole.backwards) == (100, 100)


def test_nothing_breaks_the_one_that_stands_and_a_step_breaks_the_one_that_falls():
    drawn = torch.Generator().manual_seed(1)
    images = torch.rand(50, *SHAPE, generator=drawn)
    for stands, few, many in ((True, 50, 50), (False, 0, 20)):
        network = module._StandIn(SHAPE, 10, stands=stands).eval()
        labels = network(images).argmax(1)
        attacked = perturb(PGD(eps=8 / 255, steps=20), network, images, labels)
        assert few <= int((network(attacked).argmax(1) == labels).sum()) <= many


@dataclass(frozen=True)
class Slow(Attack):
    """Takes 20 ms a batch and 2 ms an image."""

    name = "slow"

    @property
    def budget(self):
        return None

    def __call__(self, model, images, labels):
        time.sleep(0.02 + 0.002 * len(images))
        functional.cross_entropy(model(images.clone().requires_grad_()), labels).backward()
        return images


def test_an_attacks_own_time_is_told_apart_by_batch_and_by_image(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    found = asked(Slow())
    assert found.batch_seconds == pytest.approx(0.02)
    assert found.image_seconds == pytest.approx(0.002)
    assert (found.forwards, found.backwards) == (1, 1)
