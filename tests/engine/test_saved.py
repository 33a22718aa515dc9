"""Activations of a small network, counted by hand."""

from __future__ import annotations

import torch
from torch import nn

from robustkit.components.phases import phase, watched
from robustkit.engine.cost.saved import SavedBytes

NETWORK = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
IMAGES = torch.rand(5, 6)


def test_what_is_saved_for_the_way_back_counts_and_weights_do_not() -> None:
    saved = SavedBytes("training passes", NETWORK.parameters())
    with saved.counted(), watched(saved), phase("training passes"):
        NETWORK(IMAGES)
    assert saved.most == 4 * (5 * 6 + 5 * 4)  # the images, and tanh's result, which the last layer saves as well


def test_only_one_phase_counts_and_each_time_anew() -> None:
    saved = SavedBytes("training passes", NETWORK.parameters())
    with saved.counted(), watched(saved):
        NETWORK(IMAGES)
        for images in (IMAGES[:2], IMAGES, IMAGES[:1]):
            with phase("training passes"):
                with phase("attack"):
                    NETWORK(torch.rand(50, 6))
                NETWORK(images)
    assert saved.most == 4 * (5 * 6 + 5 * 4)


def test_what_several_passes_keep_together_counts_together() -> None:
    saved = SavedBytes("training passes", NETWORK.parameters())
    with saved.counted(), watched(saved), phase("training passes"):
        kept = [NETWORK(IMAGES), NETWORK(IMAGES)]
    assert saved.most == 4 * (5 * 6 + 2 * 5 * 4)
    assert len(kept) == 2
