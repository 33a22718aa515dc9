"""SGD, Adam and AdamW take the steps of their papers, and refuse what makes no sense."""

from __future__ import annotations

import pytest
import torch
from robustkit_optimizers import SGD, Adam, AdamW
from torch import Tensor, nn

from robustkit import Optimizer, make
from robustkit.errors import ComponentError


def walked(optimizer: Optimizer, lr: float, gradients: list[float], start: float = 2.0) -> list[float]:
    """Where a single weight goes that is shown these gradients."""
    weight = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    built = optimizer.build([weight], lr)
    places = []
    for gradient in gradients:

        def closure(gradient: float = gradient) -> Tensor:
            built.zero_grad()
            loss = gradient * weight
            loss.backward()
            return loss

        built.step(closure)  # type: ignore[arg-type]
        places.append(float(weight.detach()))
    return places


def test_sgd_by_hand() -> None:
    # v = 0.9 v + (g + 0.5 w), w = w - 0.1 v
    first = 2 - 0.1 * (1 + 0.5 * 2)
    second = first - 0.1 * (0.9 * 2 + (3 + 0.5 * first))
    assert walked(SGD(lr=9, weight_decay=0.5), 0.1, [1, 3]) == pytest.approx([first, second])


def test_nesterov_by_hand() -> None:
    # v = 0.5 v + g, w = w - 0.1 (g + 0.5 v)
    first = 2 - 0.1 * (1 + 0.5 * 1)
    second = first - 0.1 * (3 + 0.5 * (0.5 * 1 + 3))
    assert walked(SGD(lr=9, momentum=0.5, nesterov=True), 0.1, [1, 3]) == pytest.approx([first, second])


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_by_hand(decoupled: bool) -> None:
    kind = AdamW if decoupled else Adam
    weight, mean, square, expected = 2.0, 0.0, 0.0, []
    for step, shown in enumerate([1.0, -3.0, 0.5], 1):
        gradient = shown if decoupled else shown + 0.01 * weight
        weight -= 0.1 * 0.01 * weight if decoupled else 0.0
        mean, square = 0.8 * mean + 0.2 * gradient, 0.9 * square + 0.1 * gradient**2
        weight -= 0.1 * (mean / (1 - 0.8**step)) / ((square / (1 - 0.9**step)) ** 0.5 + 1e-3)
        expected.append(weight)
    optimizer = kind(lr=9, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01)
    assert walked(optimizer, 0.1, [1.0, -3.0, 0.5]) == pytest.approx(expected)


def test_recipe_words_become_numbers() -> None:
    assert make("optimizer", "sgd", lr={0: 0.1, 5: "1e-2"}, weight_decay="5e-4").weight_decay == 5e-4
    assert make("optimizer", "adam", lr="1/1000", betas=[0.9, "0.99"]) == Adam(lr=0.001, betas=(0.9, 0.99))


@pytest.mark.parametrize(
    ("kind", "fields", "place"),
    [
        (SGD, {"lr": -0.1}, "lr"),
        (SGD, {"lr": {0: 0.1, 5: -0.1}}, "lr"),
        (SGD, {"lr": 0.1, "momentum": 1.0}, "momentum"),
        (SGD, {"lr": 0.1, "weight_decay": -1}, "weight_decay"),
        (SGD, {"lr": 0.1, "momentum": 0, "nesterov": True}, "nesterov"),
        (Adam, {"lr": 0.1, "betas": [0.9]}, "betas"),
        (Adam, {"lr": 0.1, "betas": [0.9, 1.0]}, "betas[1]"),
        (AdamW, {"lr": 0.1, "eps": 0}, "eps"),
    ],
)
def test_values_that_make_no_sense_are_refused(kind: type[Optimizer], fields: dict[str, object], place: str) -> None:
    with pytest.raises(ComponentError) as raised:
        kind(**fields)  # type: ignore[arg-type]
    assert f"{kind.name}: {place}" in str(raised.value)
