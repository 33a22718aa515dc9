"""In what manner the final attacks are tried: the recipe's `evaluation.manner`."""

from __future__ import annotations

from dataclasses import dataclass

from robustkit.components.component import Checked


@dataclass(frozen=True)
class Manner(Checked):
    """In what manner attacks are tried, and what is kept."""

    drop_broken: bool = False
    """An example leaves as soon as one attack breaks it. Cheaper, and the worst case is the same; but the accuracy
    under an attack then means under it and all before it."""
    cheapest_first: bool = False
    """Try attacks in the order of what they cost on a few examples, instead of the order given."""
    keep_images: bool = False
    """Keep the image of each example's worst case."""
