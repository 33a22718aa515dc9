"""Every optimizer of the installed timm: it trains a network, or what it lacks is said."""

from __future__ import annotations

import copy

import pytest
import timm.optim
import torch
from robustkit_timm import TimmOptimizer
from torch import Tensor, nn

from robustkit.errors import ComponentError, InputError

NAMES = timm.optim.list_optimizers()
SECOND_ORDER = [name for name in NAMES if timm.optim.get_optimizer_info(name).second_order]
ELSEWHERE = [name for name in NAMES if isinstance(timm.optim.get_optimizer_info(name).opt_class, str)]
UNHELD = [name for name in NAMES if name.startswith("kron")]
USABLE = [name for name in NAMES if name not in SECOND_ORDER + ELSEWHERE + UNHELD] + ["lookahead_momentum"]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 3)]
    return nn.Sequential(*layers)


def descend(optimizer: torch.optim.Optimizer, model: nn.Module, steps: int) -> list[float]:
    torch.manual_seed(1)
    images, losses = torch.randn(8, 1, 4, 4), []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = model(images).square().mean()
        loss.backward()
        losses.append(float(loss.detach()))
        return loss

    for _ in range(steps):
        optimizer.step(closure)  # type: ignore[arg-type]
    return losses


def build(model: nn.Module, opt: str) -> torch.optim.Optimizer:
    return TimmOptimizer(lr=0.5, opt=opt, weight_decay=1e-4).build(model.parameters(), 0.01)


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True to a scalar:UserWarning")  # adabelief's
@pytest.mark.parametrize("opt", USABLE)
def test_it_trains_a_network(opt: str) -> None:
    model = network()
    optimizer = build(model, opt)
    assert {group["lr"] for group in optimizer.param_groups} == {0.01}
    losses = descend(optimizer, model, 20)
    assert losses[-1] < losses[0]


def test_most_are_usable() -> None:
    assert len(USABLE) >= 45
    assert SECOND_ORDER == ["adahessian"]


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True to a scalar:UserWarning")
@pytest.mark.parametrize("opt", USABLE)
def test_a_resumed_one_goes_on_as_it_would_have(opt: str) -> None:
    model = network()
    optimizer = build(model, opt)
    descend(optimizer, model, 7)
    resumed_model = copy.deepcopy(model)
    resumed = build(resumed_model, opt)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    descend(optimizer, model, 7)
    descend(resumed, resumed_model, 7)
    kept = [value for state in optimizer.state_dict()["state"].values() for value in state.values()]
    assert all(isinstance(value, Tensor | int | float | str | None) for value in kept)  # what a checkpoint holds
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, resumed_model.state_dict()[name]), name


def test_fields_and_options_reach_timms() -> None:
    options = {"betas": [0.8, 0.9], "eps": "1e-6", "amsgrad": True}
    (group,) = (
        TimmOptimizer(lr=9, opt="adamw", weight_decay=0.3, options=options)
        .build(network().parameters(), 0.2)
        .param_groups
    )
    assert (group["lr"], group["weight_decay"], group["betas"]) == (0.2, 0.3, (0.8, 0.9))
    assert (group["eps"], group["amsgrad"]) == (1e-6, True)
    momenta = [None, 0.3, 0.0]
    built = [TimmOptimizer(lr=9, opt="momentum", momentum=m).build(network().parameters(), 0.2) for m in momenta]
    assert [optimizer.param_groups[0]["momentum"] for optimizer in built] == [0.9, 0.3, 0.0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"opt": "adamv"}, "opt: timm has no optimizer 'adamv'. Did you mean 'adam"),
        ({"opt": "lookahead_lamp"}, "opt: timm has no optimizer 'lookahead_lamp'. Did you mean 'lamb"),
        ({"opt": "adahessian"}, "opt: 'adahessian' needs second derivatives"),
        ({"opt": "adamw", "momentum": 0.9}, "momentum: timm's 'adamw' takes no momentum"),
        (
            {"opt": "adamw", "options": {"beta": [0.9, 0.99]}},
            "options.beta: timm's 'adamw' takes no option 'beta'. Did you",
        ),
        ({"opt": "lion", "options": {"eps": 1e-3}}, "options.eps: timm's 'lion' takes no option 'eps'."),
        ({"opt": "sgd", "options": {"lr": 0.1}}, "options.lr: 'lr' is no option: it is a key of its own"),
        (
            {"opt": "sgd", "options": {"layer_decay": 0.1}},
            "options.layer_decay: 'layer_decay' is no option: timm uses it",
        ),
        ({"opt": "sgd", "weight_decay": -1}, "weight_decay: expected"),
    ],
)
def test_what_timm_does_not_take_is_said_before_a_run(fields: dict[str, object], expected: str) -> None:
    with pytest.raises(ComponentError) as raised:
        TimmOptimizer(lr=0.1, **fields)  # type: ignore[arg-type]
    assert expected in str(raised.value)


@pytest.mark.parametrize("opt", [*UNHELD, *(f"lookahead_{name}" for name in UNHELD)])
def test_what_a_checkpoint_cannot_hold_is_refused_before_a_run(opt: str) -> None:
    with pytest.raises(ComponentError, match=f"opt: '{opt}' keeps lists and random numbers of its own"):
        TimmOptimizer(lr=0.1, opt=opt)


def test_a_value_that_it_refuses_is_an_input_error() -> None:
    optimizer = TimmOptimizer(lr=0.1, opt="adamw", options={"betas": [0.9, 2.0]})
    with pytest.raises(InputError, match="timm's optimizer 'adamw' cannot be built: Invalid beta"):
        optimizer.build(network().parameters(), 0.1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="with CUDA they may be there")
@pytest.mark.parametrize("opt", ELSEWHERE[:1] + ELSEWHERE[-1:])
def test_what_needs_cuda_says_so(opt: str) -> None:
    with pytest.raises(InputError, match="CUDA required"):
        TimmOptimizer(lr=0.1, opt=opt).build(network().parameters(), 0.1)
