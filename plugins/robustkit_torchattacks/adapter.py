"""The adapter to torchattacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from robustkit import Attack, Budget
from robustkit.components.attack import Norm
from robustkit.components.fields import NonNegative
from robustkit.errors import AttackError, InputError, PluginError, Problem
from robustkit_torchattacks.catalogue import Entry, find
from robustkit_torchattacks.settings import Setting, read


@dataclass(frozen=True)
class TorchAttacks(Attack):
    """Any attack of the torchattacks library (Kim: Torchattacks, a PyTorch Repository for Adversarial Attacks, 2020).

    The attack is built anew for every batch, untargeted, with torchattacks' own defaults where nothing else is given.
    Its result is verified like any other: against `eps` in `norm`, or where `eps` is left out, against the eps that
    torchattacks takes by default; attacks without a bound (CW, DeepFool, OnePixel, ...) only promise images in [0, 1].

    torchattacks is optional and unmaintained: `pip install 'robustkit-torch[torchattacks]'`.
    """

    name = "torchattacks"

    attack: str
    """The class name in torchattacks: `PGD`, `MIFGSM`, `Square`, ... The plugin's card lists them all."""
    eps: NonNegative | None = None
    """Verified budget, in units of [0, 1] pixels, and the attack's own eps where it has one."""
    norm: Norm | None = None
    """In which norm `eps` is measured; only needed where the attack can be bounded in several, or in none."""
    parameters: Mapping[str, Setting] = field(default_factory=dict)
    """Further arguments of the attack's constructor by name, such as `{alpha: 2/255, steps: 20}`. Where they name no
    `n_classes` the model's number of classes is used, and where they name no `seed` one is drawn from the run's."""

    def __post_init__(self) -> None:
        """Check, then write the attack's name and parameters as torchattacks does, so that equal settings are equal."""
        super().__post_init__()
        entry = find(self.attack)
        object.__setattr__(self, "attack", entry.name)
        object.__setattr__(self, "parameters", read(entry, self.parameters)[0])

    def problems(self) -> Iterable[Problem]:
        """An attack or a parameter that torchattacks does not have, and budgets that do not fit the attack."""
        try:
            entry = find(self.attack)
        except (InputError, PluginError) as error:
            yield Problem(("attack",), str(error))
            return
        yield from read(entry, self.parameters)[1]
        yield from self._budget_problems(entry)

    def _budget_problems(self, entry: Entry) -> Iterable[Problem]:
        if self.eps is None:
            if self.norm is not None:
                yield Problem(("norm",), "a norm without a radius bounds nothing: give `eps` too, or neither.")
            return
        norm = self._norm(entry)
        if norm is None:
            text = f"torchattacks' {entry.name} has no norm of its own: say in which one `eps` is measured."
            yield Problem(("norm",), text)
        elif entry.radius and entry.norms and norm not in entry.norms:
            text = f"torchattacks' {entry.name} is bounded in {' or '.join(entry.norms)}, not in {norm}."
            yield Problem(("norm",), text)
        elif norm == "Linf" and self.eps > 1.0:
            text = f"expected at most 1 in Linf, got {self.eps:g}: pixels are in [0, 1], write {self.eps:g}/255."
            yield Problem(("eps",), text)

    def _norm(self, entry: Entry) -> Norm | None:
        return self.norm or (entry.norms[0] if entry.norms else None)

    @property
    def budget(self) -> Budget | None:
        """`eps`, or torchattacks' default, in `norm`; None for an attack without a bound."""
        entry = find(self.attack)
        eps = self.eps if self.eps is not None or entry.radius is None else entry.defaults[entry.radius]
        norm = self._norm(entry)
        return None if eps is None or norm is None else Budget(norm, eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return what torchattacks makes of the images.

        Raises:
            AttackError: torchattacks failed; names the attack, and the cause.
        """
        entry = find(self.attack)
        arguments = self._arguments(entry, model, images)
        try:
            result: Tensor = entry.cls(model, **arguments)(images, labels)
        except Exception as error:  # it raises whatever happens to go wrong inside, IndexError and NameError included
            classes = f" with n_classes {arguments['n_classes']}" if "n_classes" in arguments else ""
            raise AttackError(
                f"torchattacks' {entry.name} failed on images {tuple(images.shape)}{classes}: "
                f"{type(error).__name__}: {error}"
            ) from error
        return result

    def _arguments(self, entry: Entry, model: nn.Module, images: Tensor) -> dict[str, Any]:
        arguments = dict(self.parameters)
        if entry.radius and self.eps is not None:
            arguments[entry.radius] = self.eps
        if "norm" in entry.defaults and self.norm is not None:
            arguments["norm"] = self.norm
        if "n_classes" in entry.defaults and "n_classes" not in arguments:
            with torch.no_grad():
                arguments["n_classes"] = model(images[:1]).shape[1]
        if "seed" in entry.defaults and arguments.get("seed") is None:
            # Its own default is a constant, or the time of day: neither follows the run's seed.
            arguments["seed"] = int(torch.randint(2**31, ()))
        return arguments
