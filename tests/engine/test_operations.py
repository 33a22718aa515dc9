"""Operations of a small network, counted by hand: a multiplication with its addition is two."""

from __future__ import annotations

import pytest
import torch
from robustkit_attacks import PGD
from torch import nn
from torch.nn import functional

from robustkit import perturb
from robustkit.engine.cost.operations import Operations, counting

N, CHANNELS, SIZE, WIDTH, CLASSES = 5, 3, 6, 8, 10
CONVOLUTION = 2 * N * WIDTH * CHANNELS * 3 * 3 * SIZE * SIZE
LINEAR = 2 * N * (WIDTH * SIZE * SIZE) * CLASSES
FORWARD = CONVOLUTION + LINEAR


@pytest.fixture
def network() -> nn.Module:
    layers = [nn.Conv2d(CHANNELS, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(WIDTH * SIZE * SIZE, CLASSES))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(N, CHANNELS, SIZE, SIZE)


LABELS = torch.arange(N)


def test_forward(network: nn.Module, images: torch.Tensor) -> None:
    with counting() as operations:
        network(images)
    assert operations.flops == FORWARD


def test_backward_needs_the_gradients_of_weights_and_of_all_but_the_first_input(
    network: nn.Module, images: torch.Tensor
) -> None:
    with counting() as operations:
        functional.cross_entropy(network(images), LABELS).backward()
    assert operations.flops == FORWARD + 2 * LINEAR + CONVOLUTION


def test_a_step_of_an_attack_needs_no_gradients_of_weights(network: nn.Module, images: torch.Tensor) -> None:
    network.eval().requires_grad_(False)
    asked = images.requires_grad_()
    with counting() as operations:
        torch.autograd.grad(network(asked).sum(), asked)
    assert operations.flops == 2 * FORWARD


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(("keep", "looks"), [("last", 0), ("best", 1)])
def test_pgd(network: nn.Module, images: torch.Tensor, steps: int, keep: str, looks: int) -> None:
    attack = PGD(eps=0.1, steps=steps, keep=keep)
    with counting() as operations:
        perturb(attack, network, images, LABELS)
    assert operations.flops == (2 * steps + looks) * FORWARD


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(network: nn.Module, images: torch.Tensor, mode: type) -> None:
    with counting() as operations, mode():
        network(images)
    assert operations.flops == FORWARD


def test_in_bfloat16(network: nn.Module, images: torch.Tensor) -> None:
    with counting() as operations, torch.autocast("cpu", torch.bfloat16):
        network(images)
    assert operations.flops == FORWARD


def test_what_is_compiled_is_counted_too(network: nn.Module, images: torch.Tensor) -> None:
    compiled = torch.compile(network)
    with counting() as operations:
        compiled(images)
    assert operations.flops == FORWARD


def test_attention_is_made_of_matrix_products() -> None:
    tokens, width, heads = 7, 8, 2
    attention, given = nn.MultiheadAttention(width, heads, batch_first=True), torch.rand(N, tokens, width)
    with counting() as operations:
        attention(given, given, given, need_weights=False)
    projections, scores = 4 * 2 * N * tokens * width * width, 2 * 2 * N * tokens * tokens * width
    assert operations.flops == projections + scores


def test_nothing_is_changed_by_counting(network: nn.Module, images: torch.Tensor) -> None:
    def gradients() -> list[torch.Tensor]:
        network.zero_grad()
        functional.cross_entropy(network(images), LABELS).backward()
        return [parameter.grad.clone() for parameter in network.parameters()]

    plain = gradients()
    with counting():
        watched = gradients()
    assert all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True))


def test_operators_are_counted_too() -> None:
    tensor = torch.ones(3)
    with Operations() as operations:
        tensor + tensor
        tensor * 2
    assert (operations.calls, operations.flops) == (2, 0)
