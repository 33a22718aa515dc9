"""Projections onto a hyperplane inside the box: by hand, against bisection, and where there is no hyperplane."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from known_radius import gain
from robustkit_attacks.hyperplane import moves_to_hyperplane

NORMS = ["Linf", "L2", "L1"]
ORDERS = {"Linf": torch.inf, "L2": 2, "L1": 1}


def moves(point, normal, residual, norm):
    points, normals = torch.tensor([[point]]).double(), torch.tensor([normal]).double()
    return moves_to_hyperplane(points, normals, torch.tensor([[residual]]).double(), norm)[0, 0].tolist()


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        ("Linf", [-0.3, 0.4, -0.4]),  # the first is black after 0.3; 2 * 0.3 + 0.4 + 0.4 = 1.4
        ("L2", [-0.3, 0.4, -0.4]),
        ("L1", [-0.3, 0.5, -0.3]),  # the largest weight first, then among equals in any order
    ],
)
def test_by_hand(norm, expected):
    found = moves([0.3, 0.5, 0.9], [2.0, -1.0, 1.0], 1.4, norm)
    assert found[0] == pytest.approx(expected[0])
    assert -2 * found[0] + found[1] - found[2] == pytest.approx(1.4)
    assert sum(map(abs, found)) == pytest.approx(sum(map(abs, expected)))
    if norm != "L1":
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("norm", NORMS)
def test_from_either_side(norm):
    there = moves([0.5, 0.5], [1.0, 3.0], -0.2, norm)
    back = moves([0.5, 0.5], [1.0, 3.0], 0.2, norm)
    assert there == pytest.approx([-move for move in back])
    assert there[0] + 3 * there[1] == pytest.approx(0.2)


@pytest.mark.parametrize("norm", NORMS)
def test_a_hyperplane_outside_the_box_is_approached_as_far_as_possible(norm):
    assert moves([0.3, 0.5, 0.9], [2.0, -1.0, 0.0], 100.0, norm) == pytest.approx([-0.3, 0.5, 0.0])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("residual", [1.0, 0.0])
def test_no_normal_no_move(norm, residual):
    assert moves([0.3, 0.0, 1.0], [0.0, 0.0, 0.0], residual, norm) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("norm", NORMS)
def test_on_the_hyperplane_already(norm):
    assert moves([0.3, 0.0, 1.0], [1.0, -2.0, 0.0], 0.0, norm) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("norm", NORMS)
def test_numbers_that_are_none_do_not_hang(norm):
    points = torch.rand(2, 3, 4)
    normals = torch.randn(3, 4)
    normals[1] = torch.nan
    found = moves_to_hyperplane(points, normals, torch.ones(2, 3), norm)
    assert torch.isfinite(found[:, [0, 2]]).all()


@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 40), share=st.floats(0.01, 0.99))
def test_is_the_smallest_move_there_is(norm, seed, size, share):
    """None is smaller: inside a ball a little smaller than the move, the score cannot grow as much as it must."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(2, 3, size, generator=generator, dtype=torch.float64)
    points[:, :, ::3] = points[:, :, ::3].round()
    normals = torch.randn(3, size, generator=generator, dtype=torch.float64)
    normals[:, ::4] = 0.0 if size > 1 else normals[:, ::4]
    signs = torch.tensor([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]]).double()
    upwards = normals * -signs.unsqueeze(2)  # the direction in which the residual shrinks
    rooms = torch.where(upwards > 0, 1 - points, points)
    most = (upwards.abs() * rooms).sum(2)
    found = moves_to_hyperplane(points, normals, signs * share * most, norm)
    torch.testing.assert_close((normals * found).sum(2), -signs * share * most, atol=1e-9, rtol=1e-7)
    assert (points + found).min() >= -1e-12
    assert (points + found).max() <= 1 + 1e-12
    for place in range(2):
        for row in range(3):
            length = found[place, row].norm(p=ORDERS[norm]).item()
            less = gain(upwards[place, row], rooms[place, row], norm, length * (1 - 1e-6))
            assert less <= share * most[place, row] + 1e-12


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10])
def test_the_normals_length_does_not_matter(norm, scale):
    generator = torch.Generator().manual_seed(0)
    points, normals = torch.rand(2, 5, 50, generator=generator), torch.randn(5, 50, generator=generator)
    residuals = torch.randn(2, 5, generator=generator)
    expected = moves_to_hyperplane(points, normals, residuals, norm)
    found = moves_to_hyperplane(points, normals * scale, residuals * scale, norm)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
