"""The loss around an example: a plane's is known everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from curve_parts import Shy, at_distances, attack, half

from robustkit import LossSurface, loss_surface
from robustkit.errors import InputError

FGSM: Any = attack("fgsm", eps=0.05)


def around(by: Any = FGSM, **settings: Any) -> tuple[Any, torch.Tensor, LossSurface]:
    model = half()
    examples = at_distances(model, [0.15])
    image = examples.images(torch.tensor([0]))[0].double()
    return model, image, loss_surface(model, image, 1, by, half=4, **settings)


def test_a_planes_margin_is_a_plane() -> None:
    model, image, surface = around()
    slope = float(model.weights.detach().abs().sum())
    own = float(model(image[None])[0].detach().diff().item())
    assert surface.axis == (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
    # Towards the attack's image every eps raises the margin by eps times the weights' sum.
    expected = torch.tensor([-own + 0.05 * slope * a for a in surface.axis], dtype=torch.float32)
    assert torch.allclose(surface.margin[4], expected, atol=1e-5)
    second = surface.margin[:, 4] - surface.margin[4, 4]
    assert torch.allclose(second, second[-1] / 2 * torch.tensor(surface.axis), atol=1e-5)
    for row in range(9):
        assert torch.allclose(surface.margin[row], surface.margin[4] + second[row], atol=1e-5)
    assert torch.allclose(surface.cross_entropy, torch.nn.functional.softplus(surface.margin), atol=1e-5)


def test_the_attacks_image_lies_at_one_and_the_ball_is_closed() -> None:
    model, image, surface = around()
    assert (surface.direction, surface.attacked_at) == ("attack", pytest.approx(1.0))
    assert surface.ball[0] == surface.ball[-1] == pytest.approx((1.0, 0.0))
    assert all(abs(a) + abs(b) <= 2.01 and a * a + b * b >= 0.49 for a, b in surface.ball)
    at_one = model((image - 0.05 * model.weights.detach().sign().view_as(image))[None])[0].detach()
    assert float(surface.margin[4, 6]) == pytest.approx(float(at_one[0] - at_one[1]), abs=1e-5)


def test_in_l2_the_ball_is_a_circle() -> None:
    circle = attack("pgd", norm="L2", eps=0.3, steps=5)
    surface = around(circle)[2]
    assert [a * a + b * b for a, b in surface.ball] == pytest.approx([1.0] * len(surface.ball))


def test_the_gradients_sign_takes_the_place_of_an_attack_that_left_the_image() -> None:
    surface = around(Shy(0.2))[2]
    assert (surface.direction, surface.attacked_at) == ("gradient", None)
    assert float(surface.margin[4, 8]) > float(surface.margin[4, 4]) > float(surface.margin[4, 0])


def test_images_stay_images_and_the_model_as_it_was() -> None:
    model = half().train()
    seen: list[torch.Tensor] = []
    model.register_forward_pre_hook(lambda _, images: seen.append(images[0].detach()))
    loss_surface(model, at_distances(model, [0.3]).images(torch.tensor([0]))[0].double(), 1, FGSM, half=2, extent=9)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert min(float(images.min()) for images in seen) == 0.0
    assert max(float(images.max()) for images in seen) == 1.0


def test_seeds_choose_the_random_direction() -> None:
    first, again, other = (around(seed=seed)[2].margin for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first[4], other[4])  # the attack's direction is the same


def test_surfaces_are_read_back() -> None:
    surface = around()[2]
    again = LossSurface.from_plain(json.loads(json.dumps(surface.plain())))
    assert torch.allclose(again.margin, surface.margin, rtol=1e-4)
    assert again.plain() == surface.plain()


@pytest.mark.parametrize(
    ("by", "settings", "expected"),
    [
        (attack("deepfool"), {}, "has no eps"),
        (attack("fgsm", eps=0), {}, "expected eps, half and extent above 0"),
        (FGSM, {"extent": 0.0}, "above 0"),
    ],
)
def test_what_has_no_surface_is_refused(by: Any, settings: Any, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        around(by, **settings)


def test_a_label_that_the_model_does_not_know_is_refused() -> None:
    model = half()
    image = at_distances(model, [0.1]).images(torch.tensor([0]))[0]
    with pytest.raises(InputError, match="expected a label from 0 to 1"):
        loss_surface(model, image, 5, Shy(0.2))
