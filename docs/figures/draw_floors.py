"""Draws the floors of the core from the import contract that holds them."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from typing import Any

from shapes import box, label, picture

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_HEIGHT, _STRIDE = 40, 46
_RULES = ("import public names of robustkit,", "never each other", "and no floor imports them")


def draw() -> str:
    """The floors as SVG text, the highest first, with the plugins beside them."""
    names, plugins = floors(), bundled()
    boxes = [_floor(name, 8 + _STRIDE * place) for place, name in enumerate(names)]
    listed = [label(550, 60 + 20 * place, name, size=12) for place, name in enumerate(plugins)]
    height = max(_STRIDE * len(names) - 6, 20 * len(plugins) + 110)
    beside = box(536, 8, 216, height, "", tint="#2a78b8") + label(550, 34, "plugins")
    notes = [label(550, height - 42 + 17 * place, note, size=11) for place, note in enumerate(_RULES)]
    return picture(760, height + 16, *boxes, beside, *listed, *notes)


def floors() -> list[str]:
    """The core's packages, the highest first."""
    return next(_layers(contract) for contract in _contracts() if contract["type"] == "layers")


def bundled() -> list[str]:
    """The plugins that travel with robustkit."""
    return next(sorted(contract["modules"]) for contract in _contracts() if contract["type"] == "independence")


def _contracts() -> list[dict[str, Any]]:
    contracts: list[dict[str, Any]] = tomllib.loads(PROJECT.read_text())["tool"]["importlinter"]["contracts"]
    return contracts


def _layers(contract: dict[str, Any]) -> list[str]:
    return list(contract["layers"])


def _floor(name: str, top: int) -> str:
    """A floor, with what its package's docstring says it is."""
    doc = (importlib.import_module(name).__doc__ or "").strip().splitlines()[0]
    words = doc if len(doc) <= 92 else f"{doc[: doc.rindex(' ', 0, 90)]} ..."
    return box(8, top, 512, _HEIGHT, "") + label(22, top + 17, name) + label(22, top + 33, words, size=11)
