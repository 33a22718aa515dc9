"""Attacks that are made once and used again."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import Noise

from robustkit import Replay, perturb
from robustkit.errors import AttackError
from robustkit.testing import tiny_batch, tiny_model

ATTACK = Noise(eps=0.1)


def test_the_same_calls_give_the_same_images_and_nothing_is_attacked():
    (images, labels), replay = tiny_batch(), Replay()
    with replay.kept():
        first = [perturb(ATTACK, tiny_model(), images, labels) for _ in range(2)]
    with replay.again():
        second = [perturb(ATTACK, tiny_model(seed=1), images, labels) for _ in range(2)]
    assert not torch.equal(first[0], first[1])
    assert [torch.equal(*pair) for pair in zip(first, second, strict=True)] == [True, True]
    assert not torch.equal(perturb(ATTACK, tiny_model(), images, labels), first[0])


def test_other_calls_are_refused():
    (images, labels), replay = tiny_batch(), Replay()
    with replay.kept():
        perturb(ATTACK, tiny_model(), images, labels)
    text = "attack noise: a strategy that is asked for its loss twice must make the same attacks both times"
    for attack, count in ((Noise(eps=0.2), 8), (ATTACK, 4)):
        with replay.again(), pytest.raises(AttackError, match=text):
            perturb(attack, tiny_model(), images[:count], labels[:count])
    with replay.again():
        perturb(ATTACK, tiny_model(), images, labels)
        with pytest.raises(AttackError, match=text):
            perturb(ATTACK, tiny_model(), images, labels)
