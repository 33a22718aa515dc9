"""Foolbox's attacks in robustkit: `{use: foolbox, attack: LinfPGD, norm: Linf, eps: 8/255, settings: {steps: 20}}`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from robustkit import Attack, Budget, hookimpl
from robustkit.components.attack import Norm
from robustkit.components.fields import Positive
from robustkit.errors import AttackError, InputError, PluginError, Problem, did_you_mean

_ORDERS: Mapping[Norm, float] = {"Linf": float("inf"), "L2": 2, "L1": 1}


@dataclass(frozen=True)
class Foolbox(Attack):
    """Any attack of Foolbox 3 (Rauber et al.: Foolbox Native, Journal of Open Source Software, 2020), untargeted.

    Attacks that look for the smallest perturbation are cut off at `eps`, as Foolbox itself does it.
    """

    name = "foolbox"

    attack: str
    """The class in `foolbox.attacks`: `LinfPGD`, `L2CarliniWagnerAttack`, ..."""
    eps: Positive
    """Verified budget, in units of [0, 1] pixels, and what Foolbox is given as `epsilons`."""
    norm: Norm = "Linf"
    """In which norm: the one that the attack is made for, or that it is asked to measure distances in."""
    settings: Mapping[str, bool | int | float | str | None] = field(default_factory=dict)
    """Arguments of the class by name, such as `{steps: 20, rel_stepsize: 0.1}`; Foolbox's defaults otherwise."""

    def problems(self) -> Iterable[Problem]:
        """No Foolbox, no such attack, settings that it refuses, or another norm than its own."""
        try:
            own = getattr(self._made().distance, "p", None)
        except (InputError, PluginError) as error:
            yield Problem(("attack",), str(error))
        except (TypeError, ValueError) as error:
            yield Problem(("settings",), f"foolbox's {self.attack} refuses them: {error}")
        else:
            if own != _ORDERS[self.norm]:
                text = f"foolbox's {self.attack} measures distances of order {own}, not in {self.norm}."
                yield Problem(("norm",), text)

    def _made(self) -> Any:
        library = _library()
        cls = getattr(library.attacks, self.attack, None)
        if not (isinstance(cls, type) and issubclass(cls, library.attacks.Attack)):
            text = f"foolbox has no attack {self.attack!r}.{did_you_mean(self.attack, dir(library.attacks))}"
            raise InputError(f"{text} They are listed at https://foolbox.readthedocs.io.")
        settings: dict[str, Any] = dict(self.settings)
        if "distance" in inspect.signature(cls).parameters:  # it works in any norm
            settings["distance"] = library.distances.LpDistance(_ORDERS[self.norm])
        return cls(**settings)

    @property
    def budget(self) -> Budget:
        """At most `eps` in `norm`."""
        return Budget(self.norm, self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return what Foolbox makes of the images: [0, 1] is its model's bounds.

        Raises:
            AttackError: Foolbox failed; names the attack, and the cause.
        """
        wrapped = _library().PyTorchModel(model, bounds=(0, 1), device=images.device)
        try:
            _, clipped, _ = self._made()(wrapped, images, labels, epsilons=self.eps)
        except Exception as error:  # a library's attack may fail in whatever way
            raise AttackError(f"foolbox's {self.attack} failed: {type(error).__name__}: {error}") from error
        result: Tensor = clipped
        return result


def _library() -> Any:
    try:
        with warnings.catch_warnings():  # it imports names that scipy will drop: nothing a user could mend
            warnings.simplefilter("ignore", DeprecationWarning)
            return import_module("foolbox")
    except ImportError as error:
        raise PluginError(f"attack 'foolbox' needs Foolbox: pip install 'foolbox>=3.3.4' ({error}).") from error


@hookimpl
def register_attacks() -> list[type[Attack]]:
    """The adapter; Foolbox itself is imported when one is configured."""
    return [Foolbox]
