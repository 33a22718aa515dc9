"""The balls: projections against independent references, directions against duality, starts against their law."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robustkit_attacks.geometry import L1Ball, L2Ball, LinfBall, ball

from robustkit import example_streams

ORDERS = {"Linf": torch.inf, "L2": 2, "L1": 1}
NORMS = list(ORDERS)
VECTORS = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=12)
RADII = st.floats(0.0, 5.0, width=32)


def norms(vectors, norm):
    return torch.linalg.vector_norm(vectors.flatten(1), ORDERS[norm], dim=1)


def l1_projection_by_bisection(vector, eps):
    """Shorten every entry by the same length; find that length by halving an interval."""
    if vector.abs().sum() <= eps:
        return vector
    low, high = 0.0, float(vector.abs().max())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (vector.abs() - middle).clamp_min(0).sum() > eps else (low, middle)
    return vector.sign() * (vector.abs() - high).clamp_min(0)


@settings(deadline=None)
@given(VECTORS, RADII)
def test_l1_projection_is_what_bisection_finds(values, eps):
    vector = torch.tensor(values, dtype=torch.float64)
    torch.testing.assert_close(
        L1Ball(eps).project(vector.unsqueeze(0))[0], l1_projection_by_bisection(vector, eps), rtol=1e-9, atol=1e-9
    )


def test_l1_projection_by_hand():
    projected = L1Ball(2.0).project(torch.tensor([[3.0, -2.0, 0.5], [0.5, -0.5, 0.0], [0.0, 4.0, 0.0]]))
    assert projected.tolist() == [[1.5, -0.5, 0.0], [0.5, -0.5, 0.0], [0.0, 2.0, 0.0]]


@pytest.mark.parametrize("norm", NORMS)
@settings(deadline=None)
@given(st.lists(VECTORS, min_size=1, max_size=3), RADII)
def test_no_point_of_the_ball_is_nearer_than_the_projection(norm, rows, eps):
    width = max(map(len, rows))
    vectors = torch.tensor([row + [0.0] * (width - len(row)) for row in rows], dtype=torch.float64)
    region = ball(norm, eps)
    projected = region.project(vectors)
    assert (norms(projected, norm) <= eps * (1 + 1e-12)).all()
    many = vectors.expand(50, *vectors.shape).flatten(0, 1)
    others = region.random(many, example_streams(many)).unflatten(0, (50, len(vectors)))
    assert ((vectors - projected).norm(dim=1) <= (vectors - others).norm(dim=2) + 1e-9).all()
    torch.testing.assert_close(region.project(projected), projected)
    inside = norms(vectors, norm) <= eps
    torch.testing.assert_close(projected[inside], vectors[inside])


@pytest.mark.parametrize("norm", NORMS)
def test_long_projections_keep_the_budget_in_float32(norm):
    perturbation = 100 * torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    for eps in (0.01, 1.0, 50.0):
        length = norms(ball(norm, eps).project(perturbation).double(), norm)
        assert (length <= eps * (1 + 1e-6)).all()
        assert (length >= eps * (1 - 1e-4)).all()


@pytest.mark.parametrize("norm", NORMS)
def test_random_perturbations_fill_the_ball_uniformly(norm):
    torch.manual_seed(0)
    region, count, dimension = ball(norm, 0.7), 20_000, 6
    images = torch.zeros(count, 2, 3, dtype=torch.float64)
    drawn = region.random(images, example_streams(images)).flatten(1)
    # A ball's volume grows with the radius to the power of the dimension: that share of it must be uniform in [0, 1].
    volumes = (norms(drawn, norm) / 0.7) ** dimension
    assert volumes.max() <= 1 + 1e-9
    quantiles = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)
    torch.testing.assert_close(torch.quantile(volumes, quantiles), quantiles, atol=0.015, rtol=0)
    # No coordinate and no sign is preferred.
    torch.testing.assert_close(drawn.mean(0), torch.zeros(6, dtype=torch.float64), atol=0.01, rtol=0)
    spread = drawn.std(0)
    torch.testing.assert_close(spread, spread.mean().expand(6), atol=0, rtol=0.03)
    assert torch.corrcoef(drawn.T).triu(1).abs().max() < 0.03


@pytest.mark.parametrize("norm", NORMS)
def test_random_images_are_images_in_the_ball(norm):
    images = torch.rand(50, 3, 5, 4)
    images[0], images[1] = 0.0, 1.0
    moved = ball(norm, 0.5).random_image(images, example_streams(images))
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert (norms(moved - images, norm) <= 0.5 * (1 + 1e-6)).all()
    assert not torch.equal(moved, images)


@pytest.mark.parametrize(("region", "dual"), [(LinfBall(1.0), 1), (L2Ball(1.0), 2), (L1Ball(1.0, 0.001), torch.inf)])
def test_directions_are_steepest(region, dual):
    gradient = torch.randn(8, 3, 4, 4, dtype=torch.float64)
    direction = region.direction(torch.full_like(gradient, 0.5), gradient)
    gain = (gradient * direction).flatten(1).sum(1)
    torch.testing.assert_close(gain, torch.linalg.vector_norm(gradient.flatten(1), dual, dim=1))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1.0, 1e-20, 1e-38, 1e-44, 1e30])
def test_directions_do_not_depend_on_the_gradients_size(norm, scale):
    gradient = torch.tensor([[1.0, -2.0, 0.0, 3.0]]) * scale
    direction = ball(norm, 1.0, 0.5).direction(torch.full_like(gradient, 0.5), gradient)
    torch.testing.assert_close(norms(direction, norm), torch.ones(1))


@pytest.mark.parametrize("norm", NORMS)
def test_without_a_gradient_nothing_moves(norm):
    images = torch.rand(2, 3, 4, 4)
    gradient = torch.zeros_like(images)
    gradient[1] = 1.0
    moved = ball(norm, 1.0).step(images, gradient, 0.1)
    assert torch.equal(moved[0], images[0])
    assert moved.isfinite().all()
    assert not torch.equal(moved[1], images[1])


def test_l1_steps_share_the_length_among_the_largest_gradients():
    gradient = torch.arange(-10.0, 10.0).reshape(1, 20)
    direction = L1Ball(1.0, sparsity=0.15).direction(torch.full_like(gradient, 0.5), gradient)
    assert direction[0, :2].tolist() == pytest.approx([-1 / 3, -1 / 3])
    assert direction[0, -1].item() == pytest.approx(1 / 3)
    assert direction.count_nonzero() == 3


def test_l1_steps_leave_out_pixels_that_cannot_move_on():
    images = torch.tensor([[1.0, 0.0, 0.5, 0.5]])
    direction = L1Ball(1.0, sparsity=0.25).direction(images, torch.tensor([[9.0, -8.0, 3.0, 1.0]]))
    assert direction.tolist() == [[0.0, 0.0, 1.0, 0.0]]
    back = L1Ball(1.0, sparsity=0.25).direction(images, torch.tensor([[-9.0, -8.0, 3.0, 1.0]]))
    assert back.tolist() == [[-1.0, 0.0, 0.0, 0.0]]
