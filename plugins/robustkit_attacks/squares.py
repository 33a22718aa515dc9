"""What the Square attack proposes: where its squares lie, what they change, and which were refused already.

Pixels are flat here, (N, C, H * W). At a time all examples have squares of the same size, each at a place of its own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from robustkit import Streams

_MEMORY = 2**16
"""How many different proposals are remembered for an example; where there are more, few come twice."""


class Squares(ABC):
    """The images of a run, and proposals to change them by squares.

    Args:
        clean: (N, C, H, W).
        eps: radius of the ball.
        streams: the examples' random numbers for the start.
    """

    def __init__(self, clean: Tensor, eps: float, streams: Streams) -> None:
        self._height, self._width = clean.shape[2:]
        self._eps = eps
        self._clean = clean.flatten(2)
        self._best = self._start(clean, streams).clamp(0.0, 1.0).flatten(2)

    @property
    def images(self) -> Tensor:
        """The best images so far (N, C, H, W)."""
        return self._image_shaped(self._best)

    def keep(self, stay: Tensor) -> None:
        """Let all other examples leave."""
        self._clean, self._best = self._clean[stay], self._best[stay]

    @abstractmethod
    def draw(self, streams: Streams, share: float, length: int) -> None:
        """Draw the next `length` proposals, of squares with this share of the pixels."""

    @abstractmethod
    def propose(self, place: int) -> tuple[Tensor, Tensor]:
        """The proposals at this place among those drawn: the examples whose is worth a query (M,), and its images."""

    @abstractmethod
    def region(self, place: int, chosen: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """First rows and columns (M,) of the windows that these proposals change, and their height and width."""

    @property
    @abstractmethod
    def sides(self) -> tuple[int, int]:
        """Height and width of the windows in which what was drawn changes images."""

    def settle(self, place: int, chosen: Tensor, images: Tensor, kept: Tensor) -> None:
        """Take over those of the proposed images that are kept (M,); the others are refused."""
        self._best[chosen[kept]] = images[kept].flatten(2)

    @abstractmethod
    def _start(self, clean: Tensor, streams: Streams) -> Tensor:
        """Where the search begins."""

    def _image_shaped(self, images: Tensor) -> Tensor:
        return images.reshape(*images.shape[:2], self._height, self._width)

    def _side(self, share: float) -> int:
        return round(math.sqrt(share * self._height * self._width))

    def _places(self, numbers: Tensor, height: int, width: int) -> Tensor:
        """Flat places (N, L) of the upper left corners of squares, from uniform numbers (N, L, 2)."""
        room = torch.tensor([self._height - height + 1, self._width - width + 1], device=numbers.device)
        top, left = (numbers * room).long().unbind(dim=2)
        return top * self._width + left

    def _square(self, height: int, width: int, device: torch.device) -> Tensor:
        """Flat places of a square's pixels, seen from its corner."""
        rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
        return (rows.unsqueeze(1) * self._width + columns).flatten()


class LinfSquares(Squares):
    """Squares in which each channel goes to one end of the ball: algorithm 2 of the paper.

    The start are vertical stripes, one pixel wide, at the ball's ends. What was refused is remembered until something
    is kept, since a model that always answers the same would refuse it again.
    """

    def __init__(self, clean: Tensor, eps: float, streams: Streams) -> None:
        super().__init__(clean, eps, streams)
        self._slots = torch.arange(len(clean), device=clean.device)
        self._different = self._height * self._width * 2 ** clean.shape[1]
        self._changes = torch.zeros_like(self._slots, dtype=torch.int16)
        self._sides = (0, 0)
        self._drawn: tuple[Tensor, ...] = ()

    def draw(self, streams: Streams, share: float, length: int) -> None:
        """Two numbers for the place, and one a channel for its end of the ball."""
        channels, side = self._clean.shape[1], max(self._side(share), 1)
        sides = min(side, self._height), min(side, self._width)
        numbers = streams.uniform(length, 2 + channels, dtype=self._clean.dtype)
        corners, moves = self._places(numbers[..., :2], *sides), self._ends(numbers[..., 2:])
        self._drawn = corners, moves
        if sides != self._sides:
            self._sides, self._offsets = sides, self._square(*sides, numbers.device)
            self._refused = self._nothing_refused(len(streams))
        if self._refused is not None:
            bits = 2 ** torch.arange(channels, device=numbers.device)
            codes = corners * 2**channels + ((moves > 0) * bits).sum(dim=2)
            self._drawn = corners, moves, codes + self._slots.unsqueeze(1) * self._different

    def propose(self, place: int) -> tuple[Tensor, Tensor]:
        """Those that change something and were not refused since the last change."""
        corners, moves, *codes = (drawn[:, place] for drawn in self._drawn)
        pixels = (corners.unsqueeze(1) + self._offsets).unsqueeze(1).expand(-1, self._clean.shape[1], -1)
        values = (self._clean.gather(2, pixels) + moves.unsqueeze(2)).clamp_(0.0, 1.0)
        new = (values != self._best.gather(2, pixels)).flatten(1).any(dim=1)
        if self._refused is not None:
            new &= self._refused.index_select(0, codes[0]) != self._changes
        chosen = new.nonzero().squeeze(1)
        pixels, values = pixels.index_select(0, chosen), values.index_select(0, chosen)
        images = self._best.index_select(0, chosen).scatter_(2, pixels, values)
        return chosen, self._image_shaped(images)

    @property
    def sides(self) -> tuple[int, int]:
        """Of what was drawn."""
        return self._sides

    def region(self, place: int, chosen: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """The squares."""
        corners = self._drawn[0][:, place].index_select(0, chosen)
        return (corners.div(self._width, rounding_mode="floor"), corners.remainder(self._width)), self._sides

    def settle(self, place: int, chosen: Tensor, images: Tensor, kept: Tensor) -> None:
        """Remember what is refused, too."""
        super().settle(place, chosen, images, kept)
        changes = self._changes.index_select(0, chosen)
        if self._refused is not None:
            self._refused[self._drawn[2][:, place].index_select(0, chosen)] = changes
        self._changes[chosen] = changes + kept

    def keep(self, stay: Tensor) -> None:
        """Let all other examples leave; what was refused keeps its place."""
        super().keep(stay)
        self._slots, self._changes = self._slots[stay], self._changes[stay]
        self._drawn = tuple(drawn[stay] for drawn in self._drawn)

    def _start(self, clean: Tensor, streams: Streams) -> Tensor:
        _, channels, _, width = clean.shape
        return clean + self._ends(streams.uniform(channels, 1, width, dtype=clean.dtype))

    def _ends(self, numbers: Tensor) -> Tensor:
        return _signs(numbers) * self._eps

    def _nothing_refused(self, count: int) -> Tensor | None:
        """After how many changes each proposal was refused last, flat; None where it were too many to remember."""
        if self._different > _MEMORY:
            return None
        self._slots = torch.arange(count, device=self._slots.device)
        return torch.full((count * self._different,), -1, dtype=torch.int16, device=self._slots.device)


class L2Squares(Squares):
    """Squares with a pattern of two opposite bumps, which take over the length of the change in another square.

    Algorithm 3 of the paper; the start is tiled with the same pattern.
    """

    def __init__(self, clean: Tensor, eps: float, streams: Streams) -> None:
        super().__init__(clean, eps, streams)
        self._drawn: tuple[Tensor, ...] = ()

    def draw(self, streams: Streams, share: float, length: int) -> None:
        """Four numbers for two places, one a channel for its sign, and one for the pattern's direction."""
        side = max(self._side(share), 3)
        side = min(side + 1 - side % 2, self._height, self._width)
        numbers = streams.uniform(length, 5 + self._clean.shape[1], dtype=self._clean.dtype)
        self._offsets = self._square(side, side, numbers.device)
        target, source = (self._places(numbers[..., at : at + 2], side, side) for at in (0, 2))
        self._drawn = target, source, numbers[..., 4:5] < 0.5, _signs(numbers[..., 5:])
        self._pattern = bumps(side).to(self._clean)

    def propose(self, place: int) -> tuple[Tensor, Tensor]:
        """All of them."""
        corner, other, across, signs = (drawn[:, place] for drawn in self._drawn)
        target, source = self._pixels(corner), self._pixels(other)
        change = self._best - self._clean
        window = change.gather(2, target)
        rest = change.scatter(2, source, 0.0).scatter_(2, target, 0.0)
        length = change.square().sum(dim=(1, 2), keepdim=True)
        # That of all channels for each of them, as in AutoAttack's code; the paper frees each channel's own.
        freed = (length - rest.square().sum(dim=(1, 2), keepdim=True)).clamp_min(0.0)
        unused = (self._eps**2 - length).clamp_min(0.0) / self._clean.shape[1]
        pattern = torch.where(across, self._pattern.t().flatten(), self._pattern.flatten())
        fresh = _unit(pattern.unsqueeze(1) * signs.unsqueeze(2) + _unit(window, 2), 2)
        change = rest.scatter_(2, target, fresh * (freed + unused).sqrt())
        images = (self._clean + self._eps * _unit(change, (1, 2))).clamp_(0.0, 1.0)
        everything = torch.arange(len(images), device=images.device)
        return everything, self._image_shaped(images)

    @property
    def sides(self) -> tuple[int, int]:
        """The whole image: all of the change is scaled."""
        return self._height, self._width

    def region(self, place: int, chosen: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """The whole image."""
        return (torch.zeros_like(chosen), torch.zeros_like(chosen)), self.sides

    def keep(self, stay: Tensor) -> None:
        """Let all other examples leave."""
        super().keep(stay)
        self._drawn = tuple(drawn[stay] for drawn in self._drawn)

    def _pixels(self, corners: Tensor) -> Tensor:
        return (corners.unsqueeze(1) + self._offsets).unsqueeze(1).expand(-1, self._clean.shape[1], -1)

    def _start(self, clean: Tensor, streams: Streams) -> Tensor:
        count, channels, height, width = clean.shape
        side = max(min(height, width) // 5, 1)
        down, along = height // side, width // side
        signs = _signs(streams.uniform(channels, down, along, dtype=clean.dtype))
        across = streams.uniform(1, down, along) < 0.5
        pattern = bumps(side).to(clean)
        tiles = torch.where(across[..., None, None], pattern.t(), pattern) * signs[..., None, None]
        tiled = tiles.transpose(3, 4).reshape(count, channels, down * side, along * side)
        top, left = (height - down * side) // 2, (width - along * side) // 2
        change = torch.zeros_like(clean)
        change[:, :, top : top + down * side, left : left + along * side] = tiled
        return clean + self._eps * _unit(change, (1, 2, 3))


def bumps(side: int) -> Tensor:
    """The pattern (side, side) of the paper's equation 2, of length 1: one bump upwards, below it one downwards."""
    upper, lower = _bump(side // 2, side), _bump(side - side // 2, side)
    pattern = torch.cat([upper, -lower])
    return pattern / pattern.square().sum().sqrt()


def _bump(height: int, width: int) -> Tensor:
    """Rectangles around the middle, each one pixel larger on every side than the last, of weights 1, 1/4, 1/9, ..."""
    bump = torch.zeros(height, width, dtype=torch.float64)
    middle, centre = height // 2, width // 2
    for ring in range(max(height, width) // 2 + 1):
        rows, columns = (slice(max(at - ring, 0), at + ring + 1) for at in (middle, centre))
        bump[rows, columns] += 1 / (ring + 1) ** 2
    return bump / bump.square().sum().sqrt().clamp_min(1e-12)


def _signs(numbers: Tensor) -> Tensor:
    return torch.where(numbers < 0.5, -1.0, 1.0).to(numbers.dtype)


def _unit(vectors: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vectors, 2, dim=dim, keepdim=True)
    return vectors / length.clamp_min(1e-12)
