"""Random streams for one of several runs."""

from __future__ import annotations

from torch import Tensor

from robustkit import Streams


def private(streams: Streams, places: Tensor, run: int) -> Streams:
    """The streams of the examples at these places (M,) for one run of several, counted from 0.

    Each run draws from a range of its own, so that what an example draws in it does not depend on what was drawn in
    others, nor on who took part in them.
    """
    return Streams(streams.seeds[places], streams.draws + (run << 32))
