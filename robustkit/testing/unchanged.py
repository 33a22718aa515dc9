"""Telling that a model is as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def unchanged(model: nn.Module, *, buffers: bool) -> Iterator[None]:
    """Fail if the block changes the model's modes, parameters, their gradients or (where asked) its buffers."""
    before = _states(model, buffers)
    yield
    for what, (old, new) in {
        name: (before.get(name), value) for name, value in _states(model, buffers).items()
    }.items():
        assert _same(old, new), f"the model's {what} changed from {_brief(old)} to {_brief(new)}."


def _states(model: nn.Module, buffers: bool) -> dict[str, object]:
    states: dict[str, object] = {
        f"mode of {name or 'the model'}": module.training for name, module in model.named_modules()
    }
    for name, parameter in model.named_parameters():
        states[f"parameter {name}"] = parameter.detach().clone()
        states[f"{name}.requires_grad"] = parameter.requires_grad
        states[f"{name}.grad"] = None if parameter.grad is None else parameter.grad.clone()
    for name, buffer in model.named_buffers() if buffers else ():
        states[f"buffer {name}"] = buffer.clone()
    return states


def _same(old: object, new: object) -> bool:
    if isinstance(old, Tensor) and isinstance(new, Tensor):
        return torch.equal(old, new)
    return not isinstance(old, Tensor) and not isinstance(new, Tensor) and old == new


def _brief(value: object) -> str:
    return f"a tensor of norm {float(value.double().norm()):g}" if isinstance(value, Tensor) else repr(value)
