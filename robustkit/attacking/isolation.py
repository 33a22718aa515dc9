"""What an attack must not touch, put out of its reach and given back exactly, also when it raises."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from robustkit.attacking.numpy_generator import numpy_seeded
from robustkit.components.randomness import seed_globally
from robustkit.errors import AttackError


def modules_of(model: nn.Module) -> list[nn.Module]:
    """The model and every module in it, each once: what `modules()` yields, for less, as every attack asks for it."""
    found = {id(model)}
    waiting = [model]
    for module in waiting:
        for part in module._modules.values():
            if part is not None and id(part) not in found:
                found.add(id(part))
                waiting.append(part)
    return waiting


@contextmanager
def modes_restored(model: nn.Module) -> Iterator[None]:
    """Give every module of the model, one by one, the train or eval mode back that it has now."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Put every module of the model in eval mode and freeze its parameters; restore all of it afterwards.

    Modes are restored module by module, each parameter gets its own `requires_grad` and `.grad` back, and buffers
    (BatchNorm statistics) have their old values, whoever changed or replaced them.

    Raises:
        AttackError: weights were changed in place; these cannot be given back, since keeping a second copy of them for
            every attacked batch would be dear.
    """
    modules = modules_of(model)
    modes = [module.training for module in modules]
    parameters = _parameters(modules)
    before = [(parameter.requires_grad, parameter.grad) for parameter in parameters]
    versions = [parameter._version for parameter in parameters]
    buffers = [
        (module._buffers, name, buffer)
        for module in modules
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    values = [buffer.data.clone() for _, _, buffer in buffers]
    try:
        for module in modules:
            _set_mode(module, False)
        for parameter in parameters:
            parameter.requires_grad = False
            parameter.grad = None
        yield
        _check_unchanged(model, parameters, versions)
    finally:
        for module, mode in zip(modules, modes, strict=True):
            _set_mode(module, mode)
        for parameter, (required, gradient) in zip(parameters, before, strict=True):
            parameter.requires_grad = required
            parameter.grad = gradient
        for held, name, buffer in buffers:
            held[name] = buffer
        # BatchNorm changes its statistics without counting a version, so they are always written back; through
        # `data`, which counts none either, so that a graph built before the attack can still go backward.
        if buffers:
            torch._foreach_copy_([buffer.data for _, _, buffer in buffers], values)


def _set_mode(module: nn.Module, mode: bool) -> None:
    """`module.training = mode`, without torch's own `__setattr__`, which first looks whether that is a parameter."""
    if type(module).__setattr__ is nn.Module.__setattr__ and "training" in module.__dict__:
        module.__dict__["training"] = mode
    else:
        module.training = mode


def _parameters(modules: list[nn.Module]) -> list[nn.Parameter]:
    """Each parameter once, wherever it is shared. Attacks are many and small networks fast: so no look-up by name."""
    return list(
        {id(held): held for module in modules for held in module._parameters.values() if held is not None}.values()
    )


def _check_unchanged(model: nn.Module, parameters: list[nn.Parameter], versions: list[int]) -> None:
    now = _parameters(modules_of(model))
    if len(now) == len(parameters) and all(
        one is other and one._version == version for one, other, version in zip(now, parameters, versions, strict=True)
    ):
        return
    known = {id(parameter): version for parameter, version in zip(parameters, versions, strict=True)}
    changed = [name for name, parameter in model.named_parameters() if parameter._version != known.get(id(parameter))]
    raise AttackError(
        f"the attack changed the model's weights ({', '.join(changed[:3])}{', ...' if len(changed) > 3 else ''}): "
        "an attack may only read the model. Weights cannot be given back; load the model anew."
    )


@contextmanager
def private_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's, numpy's and Python's global generators; give all of them back as they were.

    Those of all GPUs are kept, not the images' alone: an attack that calls `torch.manual_seed` seeds every one.
    """
    used = device.type == "cuda" or torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    forked = torch.random.fork_rng(range(torch.cuda.device_count())) if used else nullcontext()
    torch_state, python_state = torch.default_generator.get_state(), random.getstate()
    with forked, numpy_seeded(seed % 2**32):
        seed_globally(seed, device)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python_state)
            torch.default_generator.set_state(torch_state)
