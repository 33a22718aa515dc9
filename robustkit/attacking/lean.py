"""A network as attacks compute it: the same function in fewer operations, its own weights out of reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from robustkit.attacking.folding import Pair, folded, pairs_in
from robustkit.attacking.isolation import modules_of


@dataclass(frozen=True)
class AttackArithmetic:
    """How the network is computed while it is attacked; images, steps and the check of the result never change."""

    precision: Literal["full", "bfloat16"] = "full"
    """`full` is the weights' own; `bfloat16` casts convolutions and linear layers and runs the rest under autocast."""
    fold_batch_norm: bool = False
    """Fold each BatchNorm into the convolution whose output it alone reads."""
    compile: bool = False
    """Run the network through `torch.compile`."""


PLAIN, FOLDED = AttackArithmetic(), AttackArithmetic(fold_batch_norm=True)
_arithmetic: ContextVar[AttackArithmetic] = ContextVar("attack_arithmetic", default=PLAIN)


@contextmanager
def attack_arithmetic(arithmetic: AttackArithmetic) -> Iterator[None]:
    """Within it, `perturb` has networks compute in this way."""
    token = _arithmetic.set(arithmetic)
    try:
        yield
    finally:
        _arithmetic.reset(token)


@contextmanager
def lean(model: nn.Module, images: Tensor) -> Iterator[nn.Module]:
    """The network to hand to an attack, computing as `attack_arithmetic` says.

    The model itself is used, so that whatever its forward does stays: its convolutions and linear layers wear other
    weights meanwhile, and folded BatchNorms pass their input through. All of it is taken off again in the end. The
    weights that are worn are made anew each time, from the model's present ones.

    Args:
        model: in eval mode, with frozen parameters.
        images: a batch of what it is attacked on; the first time, a forward of two of them finds what can be folded.
    """
    arithmetic = _arithmetic.get()
    bare = getattr(model, "_orig_mod", model)  # what torch.compile wrapped
    wardrobe = _wardrobes.get(bare)
    with _no_autocast(images.device.type):
        network = bare if arithmetic in (PLAIN, FOLDED) else _Lean(bare, arithmetic)
        if arithmetic == PLAIN or (wardrobe is not None and wardrobe.worn):
            yield network
            return
        if wardrobe is None or wardrobe.outgrown(bare, arithmetic):
            wardrobe = _wardrobes[bare] = _Wardrobe(bare, arithmetic, images)
        with wardrobe.wearing():
            yield network


def _no_autocast(device_type: str) -> AbstractContextManager[Any]:
    on = torch.is_autocast_enabled(device_type)
    return torch.autocast(device_type, enabled=False) if on else nullcontext()


class _Lean(nn.Module):
    """The model, called in the asked-for precision; logits come in the images' own."""

    def __init__(self, model: nn.Module, arithmetic: AttackArithmetic) -> None:
        super().__init__()
        self.model, self.arithmetic = model, arithmetic
        self.training = False

    def forward(self, images: Tensor) -> Any:
        """What the model gives."""
        call = _compiled() if self.arithmetic.compile else _called
        if self.arithmetic.precision == "full":
            return call(self.model, images)
        with torch.autocast(images.device.type, torch.bfloat16):
            logits = call(self.model, images)
        return logits.to(images.dtype) if isinstance(logits, Tensor) else logits


def _called(model: nn.Module, images: Tensor) -> Any:
    return model(images)


@cache
def _compiled() -> Callable[[nn.Module, Tensor], Any]:
    """Made on first use, because it imports half of torch; compiled anew for each network and kind of batch."""
    call: Callable[[nn.Module, Tensor], Any] = torch.compile(_called)
    return call


class _Wardrobe:
    """The weights a model wears while it is attacked, kept between attacks so that their memory is."""

    def __init__(self, model: nn.Module, arithmetic: AttackArithmetic, images: Tensor) -> None:
        self._fits = _fingerprint(model, arithmetic)
        self.worn = False
        pairs = pairs_in(model, images[:2]) if arithmetic.fold_batch_norm else []
        dtype = torch.bfloat16 if arithmetic.precision == "bfloat16" else None
        self._folded = [_Folded(pair, dtype) for pair in pairs]
        alone = _castable(model) - {pair.layer for pair in pairs} if dtype else set()
        self._cast = [_Cast(layer, dtype) for layer in alone if dtype and layer is not model]

    def outgrown(self, model: nn.Module, arithmetic: AttackArithmetic) -> bool:
        """Whether the model has other modules, types or devices by now, or is to compute otherwise."""
        return self._fits != _fingerprint(model, arithmetic)

    @contextmanager
    def wearing(self) -> Iterator[None]:
        """Within it, the model computes with these weights."""
        dressed: list[_Folded | _Cast] = []
        self.worn = True
        try:
            with torch.no_grad():
                for garment in (*self._folded, *self._cast):
                    garment.put_on()
                    dressed.append(garment)
            yield
        finally:
            for garment in dressed:
                garment.take_off()
            self.worn = False


class _Cast:
    """A layer's own weight and bias in another type."""

    def __init__(self, layer: nn.Module, dtype: torch.dtype | None) -> None:
        self.layer, self.dtype = layer, dtype
        self.own: dict[str, Any] = {}
        self.worn: dict[str, Any] = {}

    def make(self) -> None:
        """Make what is worn anew from the layer's own, in the memory of the last."""
        for name, tensor in self.own.items():
            if tensor is None or self.worn.get(name) is None:
                self.worn[name] = None if tensor is None else self.cast(tensor)
            else:
                self.worn[name].copy_(tensor)

    def cast(self, tensor: Tensor) -> Tensor:
        """A copy in the wanted type."""
        return tensor.detach().to(self.dtype or tensor.dtype, copy=True)

    def put_on(self) -> None:
        """Make the weights anew, which needs no graph, and let the layer wear them."""
        self.own = {name: self.layer._parameters[name] for name in ("weight", "bias")}
        self.make()
        self.layer._parameters.update(self.worn)

    def take_off(self) -> None:
        """Give the layer its own weights back."""
        self.layer._parameters.update(self.own)
        self.own = {}


class _Folded(_Cast):
    """A layer's weight and bias with the BatchNorm behind it folded in."""

    def __init__(self, pair: Pair, dtype: torch.dtype | None) -> None:
        super().__init__(pair.layer, dtype)
        self.norm = pair.norm

    def make(self) -> None:
        """As `_Cast.make`; there always is a bias."""
        if self.worn:
            folded(self.layer, self.norm, (self.worn["weight"], self.worn["bias"]))
        else:
            weight, bias = folded(self.layer, self.norm)
            self.worn = {"weight": self.cast(weight), "bias": self.cast(bias)}

    def put_on(self) -> None:
        """As `_Cast.put_on`; the BatchNorm passes its input through meanwhile."""
        super().put_on()
        self.norm.__dict__["forward"] = _passed

    def take_off(self) -> None:
        """As `_Cast.take_off`."""
        super().take_off()
        self.norm.__dict__.pop("forward", None)


def _passed(features: Tensor) -> Tensor:
    return features


def _castable(model: nn.Module) -> set[nn.Module]:
    """Layers of exactly torch's own types: what a subclass does with its weights is not known."""
    types = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
    return {module for module in model.modules() if type(module) in types and "weight" in module._parameters}


def _fingerprint(model: nn.Module, arithmetic: AttackArithmetic) -> tuple[Any, ...]:
    modules = modules_of(model)
    parameter = next((held for module in modules for held in module._parameters.values() if held is not None), None)
    kind = None if parameter is None else (parameter.dtype, parameter.device)
    kinds = [(id(module), type(module)) for module in modules]
    return (arithmetic.precision, arithmetic.fold_batch_norm, kind, *kinds)


_wardrobes: WeakKeyDictionary[nn.Module, _Wardrobe] = WeakKeyDictionary()
