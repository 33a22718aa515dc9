"""`perturb`: what it refuses on the way in and on the way out, and where its randomness comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from robustkit_attacks import PGD, Noise
from torch import nn

from robustkit import Attack, Budget, perturb
from robustkit.attacking.door import attack_seeds
from robustkit.errors import AttackError, InputError
from robustkit.testing import tiny_batch, tiny_model

MODEL = tiny_model()
IMAGES, LABELS = tiny_batch()


@dataclass(frozen=True)
class Returning(Attack):
    """Returns whatever the function makes of the images."""

    name = "returning"

    make: Any
    limit: Any = Budget("Linf", 0.1)

    @property
    def budget(self):
        return self.limit

    def __call__(self, model, images, labels):
        return self.make(images)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES * 2 - 1, r"expected images in \[0, 1\], got values from -0\.99\d* to 0\.99\d*\..*normalization"),
        (IMAGES * 255, r"got values from .* to 25[45]"),
        (IMAGES.clone().fill_(float("nan")), r"got values from nan to nan"),
        (IMAGES.where(IMAGES < 0.9, torch.inf), r"to inf"),
        ((IMAGES * 255).byte(), r"expected float images .*, got uint8 of shape \(8, 3, 8, 8\)"),
        (IMAGES.half(), r"float32 or float64, got float16 .*autocast"),
        (IMAGES.bfloat16(), r"float32 or float64, got bfloat16 .*autocast"),
        (IMAGES.numpy(), r"expected float images"),
        (torch.rand(8), r"expected float images"),
    ],
    ids=["normalized", "8 bit range", "nan", "inf", "uint8", "half", "bfloat16", "numpy", "vector"],
)
def test_refuses_images_that_are_none(images, message):
    with pytest.raises(InputError, match=message):
        perturb(Noise(eps=0.1), MODEL, images, LABELS)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS.int(), r"expected 8 labels as int64 of shape \(8,\), got int32 of shape \(8,\)"),
        (LABELS.float(), r"got float32"),
        (LABELS[:7], r"got int64 of shape \(7,\)"),
        (LABELS.unsqueeze(1), r"got int64 of shape \(8, 1\)"),
        (LABELS.tolist(), r"expected 8 labels"),
        (LABELS.to("meta"), r"on one device, got cpu and meta"),
    ],
)
def test_refuses_labels_that_are_none(labels, message):
    with pytest.raises(InputError, match=message):
        perturb(Noise(eps=0.1), MODEL, IMAGES, labels)


def test_float_noise_around_the_range_is_forgiven_and_removed():
    images = IMAGES.clone()
    images[0, 0, 0, 0], images[0, 0, 0, 1] = -3e-8, 1 + 1e-7
    result = perturb(Returning(lambda images: images), MODEL, images, LABELS)
    assert result.min() >= 0
    assert result.max() <= 1


def test_an_empty_batch_is_an_empty_batch():
    result = perturb(PGD(eps=0.1), MODEL, IMAGES[:0], LABELS[:0])
    assert result.shape == (0, 3, 8, 8)


def toward_the_middle(images, by):
    return images + by * (0.5 - images).sign()


def in_place(images):
    return images.mul_(0.5)


CHEATS = {
    "outside eps": (
        lambda images: toward_the_middle(images, 0.11),
        r"moved an image by 0\.11 in Linf.*eps 0\.1: result refused",
    ),
    "one outside": (lambda images: torch.cat([images[:7], toward_the_middle(images[7:], 0.2)]), r"by 0\.2 in Linf"),
    "outside [0, 1]": (lambda images: images + 0.1, r"outside \[0, 1\]"),
    "not a number": (lambda images: images.where(images > 0.1, torch.nan), r"from nan to nan"),
    "another shape": (
        lambda images: images[:, :1],
        r"expected images like float32 .*got float32 of shape \(8, 1, 8, 8\)",
    ),
    "another type": (lambda images: images.double(), r"got float64"),
    "nothing": (lambda images: None, r"got None"),
    "changed in place": (in_place, r"moved an image by"),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_refuses_results_that_break_the_promise(cheat):
    make, message = CHEATS[cheat]
    with pytest.raises(AttackError, match=message) as caught:
        perturb(Returning(make), MODEL, IMAGES, LABELS)
    assert "attack returning" in str(caught.value)


@pytest.mark.parametrize(("norm", "length"), [("Linf", 0.1), ("L2", 0.1 * 192**0.5), ("L1", 19.2)])
def test_every_norm_is_measured(norm, length):
    attack = Returning(lambda images: toward_the_middle(images, 0.1), Budget(norm, length))
    perturb(attack, MODEL, IMAGES, LABELS)
    with pytest.raises(AttackError, match=f"in {norm}, its budget"):
        perturb(Returning(attack.make, Budget(norm, length * 0.999)), MODEL, IMAGES, LABELS)


def test_without_a_budget_only_the_range_counts():
    perturb(Returning(lambda images: 1 - images, None), MODEL, IMAGES, LABELS)
    with pytest.raises(AttackError, match=r"outside \[0, 1\]"):
        perturb(Returning(lambda images: -images, None), MODEL, IMAGES, LABELS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_projection_in_low_precision_is_caught(dtype):
    """Clamping in half precision lands up to a rounding error outside: 0.0332 for 8/255 with bfloat16."""
    eps = 8 / 255

    def low_precision(images):
        low = images.to(dtype)
        return (low + eps).clamp(low - eps, low + eps).clamp(0, 1).float()

    with pytest.raises(AttackError, match="result refused"):
        perturb(Returning(low_precision, Budget("Linf", eps)), MODEL, IMAGES, LABELS)


def test_a_half_precision_network_is_attacked_in_full_precision():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = tiny_model().bfloat16()

        def forward(self, images):
            return self.inner(images.bfloat16())

    for norm, eps in (("Linf", 8 / 255), ("L2", 0.5), ("L1", 5.0)):
        attack = PGD(eps=eps, norm=norm, steps=3)
        wrapped = perturb(attack, Half(), IMAGES, LABELS)
        with torch.autocast("cpu", torch.bfloat16):
            autocast = perturb(attack, MODEL, IMAGES, LABELS)
        for result in (wrapped, autocast):
            assert result.dtype == torch.float32
            assert not torch.equal(result, IMAGES)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off(mode):
    attack = PGD(eps=0.1, steps=3)
    expected = perturb(attack, MODEL, IMAGES, LABELS, seed=2)
    with mode():
        images, labels = IMAGES.clone(), LABELS.clone()  # in inference mode tensors that no graph may hold
        result = perturb(attack, MODEL, images, labels, seed=2)
        assert not torch.is_grad_enabled()
    assert torch.equal(result, expected)


def test_the_result_is_the_callers_own():
    images = IMAGES.clone().requires_grad_()
    result = perturb(Returning(lambda images: images), MODEL, images, LABELS)
    assert not result.requires_grad
    result.zero_()
    assert torch.equal(images.detach(), IMAGES)


def test_equal_seeds_give_equal_results():
    first, again, other = (perturb(Noise(eps=0.1), MODEL, IMAGES, LABELS, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def some(seed):
    """Four results in a row, where perturb is told no seed."""
    with attack_seeds(seed):
        return torch.stack([perturb(Noise(eps=0.1), MODEL, IMAGES, LABELS) for _ in range(4)])


def test_attack_seeds_start_a_stream_of_their_own():
    first = some(1)
    assert len(first.unique(dim=0)) == 4, "every batch draws anew"
    torch.manual_seed(99)
    assert torch.equal(some(1), first)
    assert not torch.equal(some(2), first)


def test_attack_seeds_nest_and_end():
    with attack_seeds(1):
        before = perturb(Noise(eps=0.1), MODEL, IMAGES, LABELS)
        some(7)
        with pytest.raises(InputError), attack_seeds(8):
            perturb(Noise(eps=0.1), MODEL, IMAGES + 1, LABELS)
        after = perturb(Noise(eps=0.1), MODEL, IMAGES, LABELS)
    assert torch.equal(torch.stack([before, after]), some(1)[:2])
