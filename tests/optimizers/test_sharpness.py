"""SAM and ASAM: a step worked out by hand, a reference of a few lines, and what the engine needs of them."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robustkit_optimizers import SAM, SGD
from torch import Tensor, nn

from robustkit.testing import tiny_batch, tiny_model

CURVATURE = torch.tensor([1.0, 4.0], dtype=torch.float64)


def weights(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


def quadratic(weight: Tensor) -> Tensor:
    return (CURVATURE * weight.square()).sum() / 2


def step(optimizer: torch.optim.Optimizer, weight: nn.Parameter, seen: list[list[float]] | None = None) -> Tensor:
    def closure() -> Tensor:
        optimizer.zero_grad()
        if seen is not None:
            seen.append(weight.detach().tolist())
        loss = quadratic(weight)
        loss.backward()
        return loss

    return optimizer.step(closure)  # type: ignore[arg-type, return-value]


def test_a_step_by_hand() -> None:
    # At (3, 1) the gradient is (3, 4), of norm 5. With rho 0.5 it climbs by (0.3, 0.4) to the gradient (3.3, 5.6).
    weight, seen = weights(3.0, 1.0), list[list[float]]()
    loss = step(SAM(lr=9, rho=0.5, momentum=0).build([weight], 0.1), weight, seen)
    assert seen[0] == [3.0, 1.0]
    assert seen[1] == pytest.approx([3.3, 1.4])
    assert weight.tolist() == pytest.approx([3 - 0.33, 1 - 0.56])
    assert float(loss.detach()) == 6.5  # at (3, 1), before the climb


def test_an_adaptive_step_by_hand() -> None:
    # w g = (9, 4), of norm sqrt(97); the climb is rho w^2 g / that = rho (27, 4) / sqrt(97).
    weight, seen = weights(3.0, 1.0), list[list[float]]()
    step(SAM(lr=9, rho=0.5, momentum=0, adaptive=True).build([weight], 0.1), weight, seen)
    climbed = [3 + 0.5 * 27 / math.sqrt(97), 1 + 0.5 * 4 / math.sqrt(97)]
    assert seen[1] == pytest.approx(climbed)
    assert weight.tolist() == pytest.approx([3 - 0.1 * climbed[0], 1 - 0.1 * 4 * climbed[1]])


@pytest.mark.parametrize("adaptive", [False, True])
def test_several_steps_of_a_network_match_a_reference(adaptive: bool) -> None:
    model, (images, labels) = tiny_model(), tiny_batch()
    reference, model = copy.deepcopy(model).double(), model.double()
    images = images.double()
    settings = {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True}
    optimizer = SAM(lr=9, rho=0.3, adaptive=adaptive, **settings).build(model.parameters(), 0.1)  # type: ignore[arg-type]
    descent = torch.optim.SGD(reference.parameters(), 0.1, **settings)  # type: ignore[arg-type]

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)  # type: ignore[arg-type]
        places = list(reference.parameters())
        gradients = torch.autograd.grad(nn.functional.cross_entropy(reference(images), labels), places)
        sizes = [place.detach().abs() if adaptive else torch.ones_like(place) for place in places]
        norm = torch.cat([(size * gradient).flatten() for size, gradient in zip(sizes, gradients, strict=True)]).norm()
        above = copy.deepcopy(reference)
        with torch.no_grad():
            for place, size, gradient in zip(above.parameters(), sizes, gradients, strict=True):
                place += 0.3 * size**2 * gradient / norm
        at_above = torch.autograd.grad(nn.functional.cross_entropy(above(images), labels), list(above.parameters()))
        for place, gradient in zip(places, at_above, strict=True):
            place.grad = gradient
        descent.step()
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


@settings(max_examples=50, deadline=None)
@given(first=st.floats(-10, 10), second=st.floats(-10, 10), rho=st.floats(1e-3, 1.0), adaptive=st.booleans())
def test_the_climb_has_the_length_rho(first: float, second: float, rho: float, adaptive: bool) -> None:
    weight, seen = weights(first, second), list[list[float]]()
    step(SAM(lr=9, rho=rho, adaptive=adaptive).build([weight], 0.1), weight, seen)
    start, top = (torch.tensor(place, dtype=torch.float64) for place in seen)
    climb = top - start
    if adaptive:
        climb = torch.where(start == 0, 0.0, climb / start)
    gradient = CURVATURE * start * (start if adaptive else 1)
    if gradient.norm() > 1e-6:
        assert float(climb.norm()) == pytest.approx(rho, rel=1e-6)
    assert torch.isfinite(weight).all()


@pytest.mark.parametrize("adaptive", [False, True])
def test_no_gradient_means_no_step_and_no_nan(adaptive: bool) -> None:
    weight = weights(0.0, 0.0)
    step(SAM(lr=9, adaptive=adaptive).build([weight], 0.1), weight)
    assert weight.tolist() == [0.0, 0.0]


def test_weights_without_a_gradient_are_left_alone() -> None:
    weight, unused = weights(3.0, 1.0), weights(5.0)
    step(SAM(lr=9, weight_decay=0.1).build([weight, unused], 0.1), weight)
    assert unused.tolist() == [5.0]
    assert weight.tolist() != [3.0, 1.0]


def test_a_learning_rate_written_into_the_groups_is_the_next_steps() -> None:
    weight = weights(3.0, 1.0)
    optimizer = SAM(lr=9, rho=0.5, momentum=0).build([weight], 0.1)
    optimizer.param_groups[0]["lr"] = 0.2
    step(optimizer, weight)
    assert weight.tolist() == pytest.approx([3 - 0.66, 1 - 1.12])


def test_its_state_is_sgds() -> None:
    weight, plain = weights(3.0, 1.0), weights(3.0, 1.0)
    climbing, descending = SAM(lr=9).build([weight], 0.1), SGD(lr=9).build([plain], 0.1)
    step(climbing, weight)
    step(descending, plain)
    ours, theirs = climbing.state_dict(), descending.state_dict()
    assert ours["param_groups"] == theirs["param_groups"]
    assert {key: set(state) for key, state in ours["state"].items()} == {0: {"momentum_buffer"}}
    descending.load_state_dict(ours)  # a checkpoint of one goes into the other


def test_weights_come_back_when_the_second_loss_raises() -> None:
    weight, calls = weights(3.0, 1.0), []
    optimizer = SAM(lr=9).build([weight], 0.1)

    def closure() -> Tensor:
        if calls:
            raise FloatingPointError("no second one")
        calls.append(1)
        loss = quadratic(weight)
        loss.backward()
        return loss

    with pytest.raises(FloatingPointError):
        optimizer.step(closure)  # type: ignore[arg-type]
    assert weight.tolist() == [3.0, 1.0]


def test_a_step_without_a_closure_says_why_not() -> None:
    with pytest.raises(ValueError, match="needs a closure"):
        SAM(lr=9).build([weights(1.0)], 0.1).step()
