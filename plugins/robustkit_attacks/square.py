"""The Square attack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Le
from torch import Tensor, nn

from robustkit import Attack, Budget, Streams, example_streams
from robustkit.components.fields import NonNegative, PositiveInt
from robustkit.errors import AttackError, Problem
from robustkit_attacks.patches import Chain, chain_of
from robustkit_attacks.random_search import Run, Search
from robustkit_attacks.squares import L2Squares, LinfSquares
from robustkit_attacks.units import pixel_problems

_SCHEDULE = {10: 1, 50: 2, 200: 4, 500: 8, 1000: 16, 2000: 32, 4000: 64, 6000: 128, 8000: 256, 10000: 512}
"""Up to which of 10,000 queries `p_init` is divided by what."""
_BLOCK = 50
"""At most so many proposals are drawn at a time."""


@dataclass(frozen=True)
class Square(Attack):
    """The Square attack: random search with changes of square shape, which needs scores and no gradient.

    Andriushchenko, Croce, Flammarion, Hein: Square Attack: a Query-Efficient Black-Box Adversarial Attack via Random
    Search, ECCV 2020, algorithms 1 to 3. A proposal is kept if it raises the margin of another class over the true
    one. It finds what misleading gradients hide, so it belongs into every evaluation; it takes images (N, C, H, W).
    A query costs at most a forward. In Linf, proposals that change nothing, or that were refused before and nothing
    was kept since, are counted but not sent to the model: one that always answers the same would refuse them again.
    Where the model is a chain of convolutions, a CPU computes what a small square changes and nothing else.
    """

    name = "square"

    eps: NonNegative
    """Radius of the ball, in units of [0, 1] pixels: `8/255`, say. 0 returns the images."""
    norm: Literal["Linf", "L2"] = "Linf"
    """In which norm the radius is measured."""
    queries: PositiveInt = 5000
    """Proposals for each example, after its start from stripes (Linf) or tiles (L2)."""
    restarts: PositiveInt = 1
    """Runs from different random starts, each of so many queries."""
    p_init: Annotated[float, Gt(0), Le(1)] = 0.8
    """Share of an image's pixels that the first squares cover; halved nine times on the way."""
    give_up: bool = False
    """Ours: end the run of an example whose margin is not going to turn. Every tenth of the queries it is asked whether
    the margin, rising for all queries left twice as fast as in the last tenth, would stay below zero by a tenth of what
    it was at the start. An example that made no progress at all in that tenth goes on."""

    def problems(self) -> Iterable[Problem]:
        """A radius in 8-bit units."""
        return pixel_problems(self.norm, eps=self.eps)

    @property
    def budget(self) -> Budget:
        """`eps` in `norm`."""
        return Budget(self.norm, self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the images with the largest margins found; broken examples leave the search at once.

        Raises:
            AttackError: the images are not (N, C, H, W), so that they have no squares.
        """
        if images.ndim != 4:
            raise AttackError(f"square puts squares on images (N, C, H, W), got shape {tuple(images.shape)}.")
        seeds = example_streams(images).seeds
        search = Search(model, images, labels)
        if self.eps > 0:
            patched = self.norm == "Linf" and images.device.type == "cpu"  # a GPU does a whole forward sooner
            chain = chain_of(model, images) if patched else None
            for restart in range(self.restarts):
                self._run(search, chain, seeds, restart * (self.queries + 1))
        return search.images

    def _run(self, search: Search, chain: Chain | None, seeds: Tensor, draws: int) -> None:
        """One run on all that are not broken; `draws` is how often each of them drew before."""
        rows = search.unbroken()
        if len(rows) == 0:
            return
        kind = LinfSquares if self.norm == "Linf" else L2Squares
        run = Run(search, rows, kind(search.clean[rows], self.eps, Streams(seeds[rows], draws)), chain)
        done = looked_back = 0
        for number, (length, share) in enumerate(blocks(self.queries), start=1):
            run.squares.draw(Streams(seeds[run.rows], draws + number), self.p_init * share, length)
            run.look_closely(run.squares.sides)
            for place in range(length):
                run.try_proposal(place)
            done += length
            if self.give_up and (done - looked_back) * 10 >= self.queries:
                run.give_up((self.queries - done) / (done - looked_back))
                looked_back = done
            if len(run.rows) == 0:
                return
        run.end()


def blocks(queries: int) -> Iterator[tuple[int, float]]:
    """So many queries in blocks of squares of one size: their lengths, and by what `p_init` is multiplied.

    The paper's schedule (section 4.1) for 10,000 queries, stretched or shrunk to `queries`.
    """
    done = 0
    for until, divisor in _SCHEDULE.items():
        end = queries if until == 10000 else min(queries, -(-(until + 1) * queries // 10000))
        while done < end:
            length = min(_BLOCK, end - done)
            yield length, 1.0 / divisor
            done += length
