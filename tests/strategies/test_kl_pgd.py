"""The attack of TRADES against a straight-line reference on a linear network, whose gradients are known."""

from __future__ import annotations

import pytest
import torch
from robustkit_adversarial import KLPGD
from robustkit_adversarial.divergence import kl_divergence
from torch import nn

from robustkit import example_streams, perturb, using_streams
from robustkit.attacking.streams import streams_from
from robustkit.errors import ComponentError
from robustkit.testing import tiny_batch, tiny_model


def linear(seed=0):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4)).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return model


def straight_line(model, images, eps, step_size, steps, norm, seed):
    """The gradient of KL(p || softmax(Wx + b)) in x is W^T (softmax(Wx + b) - p)."""
    weight, bias = model[1].weight.detach(), model[1].bias.detach()
    x = images.flatten(1)
    p = (x @ weight.T + bias).softmax(1)
    with using_streams(streams_from(seed, torch.arange(len(images)))):
        z = x + 0.001 * example_streams(images).normal_like(images).flatten(1)
    for _ in range(steps):
        slope = ((z @ weight.T + bias).softmax(1) - p) @ weight
        if norm == "Linf":
            z = z + step_size * torch.sign(slope)
            z = torch.minimum(torch.maximum(z, x - eps), x + eps)
        else:
            z = z + step_size * slope / slope.norm(dim=1, keepdim=True)
            length = (z - x).norm(dim=1, keepdim=True)
            z = torch.where(length > eps, x + (z - x) * eps / length, z)
        z = z.clamp(0, 1)
    return z.view_as(images)


@pytest.mark.parametrize(("norm", "eps", "step"), [("Linf", 0.05, 0.02), ("L2", 0.3, 0.1), ("L2", 2.0, 1.0)])
@pytest.mark.parametrize("steps", [1, 7])
def test_is_the_straight_line_reference(norm, eps, step, steps):
    model = linear()
    images, labels = tiny_batch(5, num_classes=4, image_shape=(3, 2, 2), dtype=torch.float64)
    expected = straight_line(model, images, eps, step, steps, norm, seed=11)
    found = perturb(KLPGD(eps, step, steps, norm), model, images, labels, seed=11)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_more_steps_diverge_more(norm):
    model, (images, labels) = tiny_model(), tiny_batch()
    model.eval()
    divergences = []
    for steps in (1, 5, 20):
        attack = KLPGD(eps=0.5, step_size=0.1, steps=steps, norm=norm)
        divergences.append(kl_divergence(model(images), model(perturb(attack, model, images, labels, seed=0))).mean())
    assert divergences[0] < divergences[1] < divergences[2]


def test_labels_play_no_part():
    model, (images, labels) = tiny_model(), tiny_batch()
    attack = KLPGD(eps=0.1, step_size=0.05, steps=3)
    one, other = (perturb(attack, model, images, chosen, seed=0) for chosen in (labels, labels.flip(0)))
    assert torch.equal(one, other)


def test_a_network_without_slope_is_survived():
    images, labels = tiny_batch()
    model = tiny_model()
    model[5].weight.data.zero_()
    for norm in ("Linf", "L2"):
        assert perturb(KLPGD(eps=0.1, step_size=0.05, steps=3, norm=norm), model, images, labels).isfinite().all()


def test_refuses_what_makes_no_sense():
    with pytest.raises(ComponentError) as caught:
        KLPGD(eps="0/255", step_size=-1, steps=0, norm="L1")
    assert [problem.path for problem in caught.value.problems] == [("eps",), ("step_size",), ("steps",), ("norm",)]
