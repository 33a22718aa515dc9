"""Checks that wait: nothing is refused later than at the next look, and nothing is forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from robustkit import Attack, Budget, perturb
from robustkit.attacking.verification import Verdicts, judged_later
from robustkit.errors import AttackError, InputError
from robustkit.testing.tiny import tiny_batch, tiny_model


@dataclass(frozen=True)
class Far(Attack):
    """Moves every pixel of some images by `by`, where 1 stands for what is no number."""

    name = "far"
    by: float = 0.0

    @property
    def budget(self):
        return Budget("Linf", 0.1)

    def __call__(self, model, images, labels):
        images[:3] += self.by if self.by < 1 else torch.nan
        return images


def test_a_broken_budget_is_refused_at_the_look():
    images, labels = tiny_batch()
    verdicts = Verdicts()
    with judged_later(verdicts):
        perturb(Far(by=0.05), tiny_model(), images / 2, labels)
        perturb(Far(by=0.2), tiny_model(), images / 2, labels)
    with pytest.raises(AttackError, match=r"moved an image by 0.2 in Linf, its budget is eps"):
        verdicts.read()
    verdicts.read()  # what was reported is not reported again


def test_images_out_of_range_are_refused_at_the_look():
    images, labels = tiny_batch()
    verdicts = Verdicts()
    with judged_later(verdicts):
        perturb(Far(), tiny_model(), images * 2 - 1, labels)
    with pytest.raises(InputError, match=r"expected images in \[0, 1\], got values from -0\.\d+ to"):
        verdicts.read()


def test_not_a_number_is_refused_at_the_look():
    images, labels = tiny_batch()
    verdicts = Verdicts()
    with judged_later(verdicts):
        perturb(Far(by=1.0), tiny_model(), images, labels)
    with pytest.raises(AttackError, match="values from nan to nan"):
        verdicts.read()


def test_shapes_and_types_are_refused_at_once():
    images, labels = tiny_batch()
    with judged_later(Verdicts()), pytest.raises(InputError, match="expected 8 labels as int64"):
        perturb(Far(), tiny_model(), images, labels[:3])


def test_waiting_reads_nothing_from_the_device(monkeypatch):
    images, labels = tiny_batch()
    model = tiny_model()

    def refuse(*_):
        raise AssertionError("a figure was read")

    with monkeypatch.context() as patch, judged_later(Verdicts()):
        for method in ("tolist", "item", "__float__", "__bool__"):
            patch.setattr(torch.Tensor, method, refuse)
        perturb(Far(), model, images, labels, seed=1)
