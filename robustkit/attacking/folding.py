"""Which BatchNorm can be folded into which layer, found by watching one forward, and how."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Pair:
    """A layer and the BatchNorm that alone reads its output."""

    layer: nn.Module
    norm: nn.Module


def folded(layer: nn.Module, norm: Any, into: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
    """Weight and bias with which the layer alone computes what layer and BatchNorm (in eval mode) compute together.

    Written `into` a weight and a bias, in their types, where these are given (without a graph, that is).
    """
    weight, bias = layer._parameters["weight"], layer._parameters["bias"]
    assert weight is not None
    made_weight, made_bias = into or (None, None)
    scale = torch.rsqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else scale * norm.weight
    mean = norm.running_mean if bias is None else norm.running_mean - bias
    shift = torch.zeros_like(mean) if norm.bias is None else norm.bias
    return (
        torch.mul(weight, scale.reshape(-1, *[1] * (weight.ndim - 1)), out=made_weight),
        torch.addcmul(shift, mean, scale, value=-1, out=made_bias),
    )


@torch.no_grad()
def pairs_in(model: nn.Module, images: Tensor) -> list[Pair]:
    """Every layer and BatchNorm that can be folded, found by running the model (in eval mode) on a few images.

    A pair counts only if the forward runs both exactly once, nothing but the BatchNorm reads the layer's output (not
    even its shape), both are exactly torch's own types, and no hook is on either.
    """
    hearer = _Hearer()
    handles = [handle for module in model.modules() for handle in hearer.listen_to(module)]
    try:
        with hearer:
            hearer.returned(model(images))
    finally:
        for handle in handles:
            handle.remove()
    return hearer.pairs()


class _Hearer(TorchFunctionMode):
    """Sees each call of torch on a layer's output, and whose forward it was in."""

    def __init__(self) -> None:
        super().__init__()
        self._outputs: dict[int, tuple[nn.Module, Tensor]] = {}
        self._found: list[Pair] = []
        self._calls = Counter[nn.Module]()
        self._read_elsewhere: set[nn.Module] = set()
        self._inside: nn.Module | None = None

    def listen_to(self, module: nn.Module) -> list[Any]:
        """Hooks on the module that say when it runs, where it may be part of a pair."""
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
            return []
        if type(module) in _LAYERS and isinstance(module._parameters.get("weight"), Tensor):
            return [module.register_forward_hook(self._layer_ran)]
        if type(module) in _NORMS and isinstance(module.running_mean, Tensor):
            before = module.register_forward_pre_hook(self._norm_begins)
            return [before, module.register_forward_hook(self._norm_ends)]
        return []

    def pairs(self) -> list[Pair]:
        """What was found."""
        readers = Counter(pair.layer for pair in self._found)
        return [
            pair
            for pair in self._found
            if self._calls[pair.layer] == self._calls[pair.norm] == readers[pair.layer] == 1
            and pair.layer not in self._read_elsewhere
        ]

    def returned(self, result: Any) -> None:
        """What the model returns is read by its caller."""
        self._note_reads(result)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self._inside is None:
            self._note_reads((args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _note_reads(self, values: Any) -> None:
        for value in _flat(values):
            layer, output = self._outputs.get(id(value), (None, None))
            if layer is not None and output is value:
                self._read_elsewhere.add(layer)

    def _layer_ran(self, module: nn.Module, args: Any, output: Any) -> None:
        self._calls[module] += 1
        self._outputs[id(output)] = (module, output)

    def _norm_begins(self, module: nn.Module, args: Any) -> None:
        self._calls[module] += 1
        layer, output = self._outputs.get(id(args[0]), (None, None)) if args else (None, None)
        if layer is None or output is None or output is not args[0]:
            return
        self._inside = module  # from here on, what is read is read by the pair
        # Only where the BatchNorm's channels are the layer's: those of a linear layer on sequences are not.
        if type(layer) is not nn.Linear or output.ndim == 2:
            self._found.append(Pair(layer, module))

    def _norm_ends(self, module: nn.Module, args: Any, output: Any) -> None:
        self._inside = None


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [item for part in value.values() for item in _flat(part)]
    if isinstance(value, tuple | list):
        return [item for part in value for item in _flat(part)]
    return [value]
