"""Random search for a larger margin: who is still in it, and what was found."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustkit_attacks.closest import logits_of, rounding
from robustkit_attacks.margin import Margin
from robustkit_attacks.patches import Chain, Patches
from robustkit_attacks.squares import Squares

_SPEEDUP = 2.0
_MISS = 0.1


class Search:
    """What was found so far: for each example the image with the largest margin, and whether it is broken.

    Args:
        model: maps images to logits (N, K); only asked for these.
        images: (N, C, H, W), clean.
        labels: (N,).
    """

    def __init__(self, model: nn.Module, images: Tensor, labels: Tensor) -> None:
        self._model, self.clean, self._labels = model, images, labels
        self.images = images.clone()
        self._margins, _, self._broken = self.measure(torch.arange(len(images), device=images.device), images)

    def unbroken(self) -> Tensor:
        """The places in the batch of all that are not broken."""
        return (~self._broken).nonzero().squeeze(1)

    def measure(self, rows: Tensor, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Margins (M,) of these examples' images, what rounding could make of them, and whether they are wrong."""
        return self.judge(rows, logits_of(self._model, images))

    def judge(self, rows: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, from the logits (M, K)."""
        labels = self._labels[rows]
        return Margin()(logits, labels), rounding(logits), logits.argmax(dim=1) != labels

    def record(self, rows: Tensor, images: Tensor, margins: Tensor, broken: Tensor) -> None:
        """Keep these images where they are broken or have a larger margin than what is kept."""
        better = broken | (margins > self._margins[rows])
        self.images[rows[better]] = images[better]
        self._margins[rows[better]] = margins[better]
        self._broken[rows[broken]] = True


class Run:
    """One run: proposals for the images of all that have not left it.

    Args:
        search: where what is found is recorded.
        rows: the places in the batch (M,) of the examples that take part.
        squares: makes the proposals for them.
        chain: the model as a chain of convolutions, if it is one; then small squares are computed as patches.
    """

    def __init__(self, search: Search, rows: Tensor, squares: Squares, chain: Chain | None = None) -> None:
        self._search, self.rows, self.squares = search, rows, squares
        self._chain = chain
        self._patches: Patches | None = None
        self._margins, _, wrong = search.measure(rows, squares.images)
        self._first = self._before = self._margins.clone()
        self._leave(wrong, wrong)

    def try_proposal(self, place: int) -> None:
        """Look at the proposals at this place among those drawn; keep the better ones, and let broken examples go."""
        chosen, images = self.squares.propose(place)
        if len(chosen) == 0:
            return
        margins, noise, wrong = self._measured(place, chosen, images)
        known = self._margins[chosen]
        kept = wrong | (margins > known + noise)
        self._margins[chosen] = torch.where(kept, margins, known)
        self.squares.settle(place, chosen, images, kept)
        if self._patches is not None:
            self._patches.take_back(~kept)
        if bool(wrong.any()):
            broken = torch.zeros_like(self.rows, dtype=torch.bool).index_fill_(0, chosen[wrong], True)
            self._leave(broken, broken)

    def _measured(self, place: int, chosen: Tensor, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What patches call broken is confirmed by the model itself."""
        if self._patches is None:
            return self._search.measure(self.rows[chosen], images)
        logits = self._patches.change(chosen, images, *self.squares.region(place, chosen))
        margins, noise, wrong = self._search.judge(self.rows[chosen], logits)
        if bool(wrong.any()):
            broken = wrong.nonzero().squeeze(1)
            margins[broken], _, wrong[broken] = self._search.measure(self.rows[chosen[broken]], images[broken])
        return margins, noise, wrong

    def look_closely(self, sides: tuple[int, int]) -> None:
        """Compute what follows, squares of this size or smaller, as patches, if that is less work.

        Each time that this is asked the model itself says once more what the best images' margins are. Should it
        disagree with the patches, being more than the chain that it was taken for, it is asked for everything from
        then on.
        """
        if self._chain is None or len(self.rows) == 0:
            return
        if self._patches is None:
            if not self._chain.pays(sides, len(self.rows)):
                return
            self._patches = Patches(self._chain, self.squares.images)
        margins, noise, _ = self._search.measure(self.rows, self.squares.images)
        # What was kept may agree only because the patches found nothing better.
        by_patches, _, _ = self._search.judge(self.rows, self._patches.whole)
        apart = torch.maximum((margins - self._margins).abs(), (margins - by_patches).abs())
        if bool((apart > 2.0 * noise).any()):
            self._chain, self._patches, self._margins = None, None, margins

    def give_up(self, times: float) -> None:
        """Let those go whose margins will not turn, with `times` as many queries left as since this was asked last.

        Margins rise ever more slowly, so twice the last rate for all queries left is a generous guess. Where there was
        no progress at all there is nothing to guess from: a model with few different answers rewards many changes late.
        """
        progress = self._margins - self._before
        reach = self._margins + _SPEEDUP * times * progress
        hopeless = (progress > 0) & (reach < -_MISS * self._first.abs())
        self._before = self._margins.clone()
        self._leave(hopeless, torch.zeros_like(hopeless))

    def end(self) -> None:
        """Let all go."""
        everyone = torch.ones_like(self.rows, dtype=torch.bool)
        self._leave(everyone, ~everyone)

    def _leave(self, gone: Tensor, broken: Tensor) -> None:
        """Record those that go; `broken` says of them all whether they are."""
        self._search.record(self.rows[gone], self.squares.images[gone], self._margins[gone], broken[gone])
        stay = ~gone
        self.squares.keep(stay)
        if self._patches is not None:
            self._patches.keep(stay)
        self.rows, self._margins = self.rows[stay], self._margins[stay]
        self._first, self._before = self._first[stay], self._before[stay]
