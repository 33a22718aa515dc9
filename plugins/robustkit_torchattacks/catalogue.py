"""What torchattacks has: its attack classes, what their constructors take and in which norm they are bounded."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from robustkit.components.attack import Norm
from robustkit.errors import InputError, PluginError, did_you_mean, known

_LINF: tuple[Norm, ...] = ("Linf",)
_L2: tuple[Norm, ...] = ("L2",)
NORMS: Mapping[str, tuple[Norm, ...]] = {
    **dict.fromkeys(("FGSM", "BIM", "RFGSM", "PGD", "EOTPGD", "FFGSM", "TPGD", "MIFGSM", "UPGD", "DIFGSM"), _LINF),
    **dict.fromkeys(("TIFGSM", "Jitter", "NIFGSM", "PGDRS", "SINIFGSM", "VMIFGSM", "VNIFGSM", "SPSA"), _LINF),
    **dict.fromkeys(("PIFGSM", "PIFGSMPP"), _LINF),
    **dict.fromkeys(("PGDL2", "PGDRSL2", "CW", "DeepFool"), _L2),
    **dict.fromkeys(("APGD", "APGDT", "FAB", "Square", "AutoAttack"), (*_LINF, *_L2)),
    "EADL1": ("L1",),
}
"""In which norm each attack moves images, its own default first. Not here: those that count pixels (JSMA, OnePixel,
Pixle, SparseFool), mix norms (EADEN) or have none (GN, VANILA)."""

_REFUSED = {
    "MultiAttack": "it takes other attacks, not a model: list several attacks in the recipe instead",
    "LGV": "it needs a data loader and trains copies of the model on it",
}


@dataclass(frozen=True)
class Entry:
    """One attack class of torchattacks."""

    cls: Any
    defaults: Mapping[str, Any]
    """The constructor's parameters but the model, with their defaults."""

    @property
    def name(self) -> str:
        """The class name."""
        return str(self.cls.__name__)

    @property
    def radius(self) -> str | None:
        """The constructor's name for eps; None for an attack that has no bound."""
        return next((name for name in ("eps", "max_epsilon") if name in self.defaults), None)

    @property
    def norms(self) -> tuple[Norm, ...]:
        """The norms it can be bounded in, its default first; empty where that is not known."""
        return NORMS.get(self.name, ())


def find(name: str) -> Entry:
    """The attack class of that name; upper and lower case, hyphens and underscores do not matter.

    Raises:
        PluginError: torchattacks cannot be imported.
        InputError: it has no such attack, or one that needs more than a model.
    """
    library = _library()
    by_folded = {_folded(known_name): known_name for known_name in library.__all__}
    found = by_folded.get(_folded(name))
    usable = [other for other in library.__all__ if other not in _REFUSED]
    if found is None:
        suggestion = did_you_mean(name, usable)
        raise InputError(f"torchattacks has no attack {name!r}.{suggestion} {known(usable, limit=len(usable))}")
    if found in _REFUSED:
        raise InputError(f"torchattacks' {found} cannot be used here: {_REFUSED[found]}.")
    cls = getattr(library, found)
    return Entry(cls, dict(_defaults(inspect.signature(cls).parameters.values())))


def _defaults(parameters: Iterable[inspect.Parameter]) -> Iterable[tuple[str, Any]]:
    for parameter in parameters:
        if parameter.name != "model":
            yield parameter.name, parameter.default


def _folded(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")


def _library() -> Any:
    try:
        return import_module("torchattacks")
    except Exception as error:  # an unmaintained package can break on anything; whatever it is, it is the finding
        raise PluginError(
            f"torchattacks cannot be imported ({type(error).__name__}: {error}). "
            "`pip install 'robustkit-torch[torchattacks]'` installs it."
        ) from error
