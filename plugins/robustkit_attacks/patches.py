"""What a chain of convolutions makes of images of which a square has changed, without computing the rest again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from robustkit_attacks.portions import portions

_POINTWISE = (nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Identity, nn.Dropout)
"""Modules that, in eval mode, treat each place of an image alone."""
_PAYS = 0.4
"""Patches are computed where they have at most this share of the multiplications."""
_LARGEST = 2**28
"""Bytes of activations that are kept at most."""


@dataclass(frozen=True)
class Stage:
    """A convolution and what follows it at each place alone; `size` is that of its output, height and width."""

    convolution: nn.Conv2d
    after: tuple[nn.Module, ...]
    size: tuple[int, int]

    @property
    def padding(self) -> tuple[int, int]:
        """At the top and at the left, as much as at the bottom and at the right."""
        padding = self.convolution.padding
        assert not isinstance(padding, str)
        return padding[0], padding[1]

    def __call__(self, padded: Tensor) -> Tensor:
        """The output for inputs that are padded already, or for a part of them."""
        layer = self.convolution
        found = conv2d(padded, layer.weight, layer.bias, layer.stride, 0, 1, layer.groups)
        for module in self.after:
            found = module(found)
        return found

    def output_side(self, side: int, axis: int) -> int:
        """How many rows or columns of output a change of so many of the input reaches at most."""
        reach = (side + self.convolution.kernel_size[axis] - 2) // self.convolution.stride[axis] + 1
        return min(reach, self.size[axis])

    def output_start(self, start: Tensor, side: int, axis: int) -> Tensor:
        """The first of them, where the change begins at `start` (N,); early enough that all of them exist."""
        kernel, stride = self.convolution.kernel_size[axis], self.convolution.stride[axis]
        first = (start + self.padding[axis] - kernel + stride).div(stride, rounding_mode="floor")
        return first.clamp(0, self.size[axis] - side)


@dataclass(frozen=True)
class Chain:
    """A network whose layers run one after the other, of which the first are convolutions."""

    stages: tuple[Stage, ...]
    tail: tuple[nn.Module, ...]
    kept: int
    """Bytes of an image's activations."""

    def ends(self, features: Tensor) -> Tensor:
        """The logits, from the last stage's output."""
        for module in self.tail:
            features = module(features)
        return features

    def pays(self, sides: tuple[int, int], examples: int) -> bool:
        """Whether squares of this size are to be computed as patches, for so many examples."""
        whole = part = 0
        for stage in self.stages:
            weight = stage.convolution.weight.numel()
            sides = stage.output_side(sides[0], 0), stage.output_side(sides[1], 1)
            whole, part = whole + weight * stage.size[0] * stage.size[1], part + weight * sides[0] * sides[1]
        return part <= _PAYS * whole and examples * self.kept <= _LARGEST


@torch.no_grad()
def chain_of(model: nn.Module, images: Tensor) -> Chain | None:
    """The network as a chain; None where it is none, or where that is not certain.

    It is one if each layer runs once and is handed exactly what the one before it gave, in a forward of two of the
    images (N, C, H, W); if nobody else listens to it; and if convolutions are torch's own.
    """
    images = images[:2]
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def heard(module: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
        calls.append((module, given[0] if given else found, found))

    modules = list(model.modules())
    if any(module._forward_hooks or module._forward_pre_hooks for module in modules):
        return None
    leaves = [module for module in modules if not any(True for _ in module.children())]
    hooks = [leaf.register_forward_hook(heard) for leaf in leaves]
    try:
        logits = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    last = images
    for _, given, found in calls:
        if given is not last:
            return None
        last = found
    if last is not logits or len({id(module) for module, *_ in calls}) != len(calls):
        return None
    chain = _chain(calls, images)
    if chain is None or not torch.allclose(Patches(chain, images).whole, logits, rtol=1e-4, atol=1e-4):
        return None
    return chain


def _chain(calls: list[tuple[nn.Module, Tensor, Tensor]], images: Tensor) -> Chain | None:
    stages: list[Stage] = []
    at = 0
    while at < len(calls) and _plain(calls[at][0]):
        convolution, end = calls[at][0], at + 1
        while end < len(calls) and type(calls[end][0]) in _POINTWISE:
            end += 1
        # A folded BatchNorm hands its input through: it has nothing left to do.
        after = tuple(module for module, given, found in calls[at + 1 : end] if found is not given)
        assert isinstance(convolution, nn.Conv2d)
        height, width = calls[at][2].shape[2:]
        stages.append(Stage(convolution, after, (height, width)))
        at = end
    if not stages:
        return None
    values = images[0].numel() + sum(found[0].numel() for _, _, found in calls if found.ndim == 4)
    return Chain(tuple(stages), tuple(module for module, *_ in calls[at:]), values * images.element_size())


def _plain(module: nn.Module) -> bool:
    """A convolution as `conv2d` does it, without gaps in its kernel and with zeros around the image."""
    return (
        type(module) is nn.Conv2d
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


class Patches:
    """All activations of some images, and changes of them.

    Args:
        chain: the network.
        images: (N, C, H, W).
    """

    def __init__(self, chain: Chain, images: Tensor) -> None:
        self._chain = chain
        parts = [self._activations(part) for (part,) in portions(images)]
        # Channels last: what is read and written at a place lies together.
        self._kept = [torch.cat(level).contiguous() for level in zip(*parts, strict=True)]
        self._overwritten: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def _activations(self, images: Tensor) -> list[Tensor]:
        """The input of each stage, padded, and the last one's output, all (N, H, W, C)."""
        found, levels = images, []
        for stage in self._chain.stages:
            rows, columns = stage.padding
            padded = pad(found, (columns, columns, rows, rows))
            levels.append(padded.permute(0, 2, 3, 1))
            found = stage(padded)
        return [*levels, found.permute(0, 2, 3, 1)]

    @property
    def whole(self) -> Tensor:
        """The logits of all images."""
        return self._chain.ends(self._kept[-1].permute(0, 3, 1, 2))

    @torch.no_grad()
    def change(self, chosen: Tensor, images: Tensor, corners: tuple[Tensor, Tensor], sides: tuple[int, int]) -> Tensor:
        """Logits (M, K) of images (M, C, H, W) that differ from the chosen ones (M,) only in squares.

        They take the chosen ones' places; `take_back` gives some of them back.

        Args:
            chosen: (M,), places among all images, each once.
            images: (M, C, H, W).
            corners: (M,), (M,): the squares' first rows and columns.
            sides: their height and width.
        """
        self._overwritten = []
        top, left = corners
        places = _places(top * images.shape[3] + left, images.shape[3], sides)
        patch = images.flatten(2).gather(2, places.unsqueeze(1).expand(-1, images.shape[1], -1)).transpose(1, 2)
        for level, stage in enumerate(self._chain.stages):
            rows, columns = stage.padding
            self._write(level, self._at(level, chosen, top + rows, left + columns, sides), patch)
            sides = stage.output_side(sides[0], 0), stage.output_side(sides[1], 1)
            top, left = stage.output_start(top, sides[0], 0), stage.output_start(left, sides[1], 1)
            (down, along), (high, wide) = stage.convolution.stride, stage.convolution.kernel_size
            reach = (sides[0] - 1) * down + high, (sides[1] - 1) * along + wide
            read = self._flat(level).index_select(0, self._at(level, chosen, top * down, left * along, reach))
            found = stage(read.reshape(len(chosen), *reach, -1).permute(0, 3, 1, 2))
            patch = found.permute(0, 2, 3, 1).flatten(1, 2)
        last = len(self._chain.stages)
        self._write(last, self._at(last, chosen, top, left, sides), patch)
        return self._chain.ends(self._kept[-1].index_select(0, chosen).permute(0, 3, 1, 2))

    def take_back(self, refused: Tensor) -> None:
        """Undo the last change of the refused (M,), bool."""
        for level, (at, before) in enumerate(self._overwritten):
            places, values = at.reshape(len(refused), -1)[refused], before.reshape(len(refused), -1, before.shape[-1])
            self._flat(level).index_copy_(0, places.flatten(), values[refused].flatten(0, 1))

    def keep(self, stay: Tensor) -> None:
        """Let all other images leave."""
        self._kept = [level[stay] for level in self._kept]

    def _write(self, level: int, at: Tensor, patch: Tensor) -> None:
        flat = self._flat(level)
        self._overwritten.append((at, flat.index_select(0, at)))
        flat.index_copy_(0, at, patch.reshape(len(at), -1))

    def _flat(self, level: int) -> Tensor:
        """The activations (N * H * W, C)."""
        return self._kept[level].flatten(0, 2)

    def _at(self, level: int, rows: Tensor, top: Tensor, left: Tensor, sides: tuple[int, int]) -> Tensor:
        """Flat places of a window of each of these images, one after the other."""
        _, height, width, _ = self._kept[level].shape
        corners = (rows * height + top) * width + left
        return _places(corners, width, sides).flatten()


def _places(corners: Tensor, width: int, sides: tuple[int, int]) -> Tensor:
    """Flat places (N, height * width) of windows with these corners (N,) in images of this width."""
    rows, columns = (torch.arange(side, device=corners.device) for side in sides)
    return corners.unsqueeze(1) + (rows.unsqueeze(1) * width + columns).flatten()
