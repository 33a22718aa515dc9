"""A stranger's package: a data set, an architecture, an attack, a strategy, and a recipe that uses them all."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from robustkit import Architecture, Attack, Dataset, Strategy, hookimpl
from robustkit_extras.corners import Corners
from robustkit_extras.half_and_half import HalfAndHalf
from robustkit_extras.perceptron import Perceptron
from robustkit_extras.stripes import Stripes


@hookimpl
def register_datasets() -> list[type[Dataset]]:
    """The striped images."""
    return [Stripes]


@hookimpl
def register_architectures() -> list[type[Architecture]]:
    """The perceptron."""
    return [Perceptron]


@hookimpl
def register_attacks() -> list[type[Attack]]:
    """The random corners."""
    return [Corners]


@hookimpl
def register_strategies() -> list[type[Strategy]]:
    """The half-attacked batches."""
    return [HalfAndHalf]


@hookimpl
def register_recipes() -> Mapping[str, Traversable]:
    """The recipe that uses all of them."""
    return {"stripes": files("robustkit_extras") / "stripes.yaml"}
