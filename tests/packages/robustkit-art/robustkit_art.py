"""ART's evasion attacks in robustkit: `{use: art, attack: ProjectedGradientDescent, eps: 8/255, settings: {...}}`."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from robustkit import Attack, Budget, hookimpl
from robustkit.components.attack import Norm
from robustkit.components.fields import Positive
from robustkit.errors import AttackError, InputError, PluginError, Problem, did_you_mean

_ORDERS: Mapping[Norm, Any] = {"Linf": float("inf"), "L2": 2, "L1": 1}


@dataclass(frozen=True)
class ART(Attack):
    """Any evasion attack of the Adversarial Robustness Toolbox that takes a classifier (Nicolae et al. 2018).

    Untargeted, with the true labels. Attacks without an `eps` (CarliniL2Method, DeepFool, ...) look for the smallest
    perturbation; they only promise images in [0, 1].
    """

    name = "art"

    attack: str
    """The class in `art.attacks.evasion`: `ProjectedGradientDescent`, `SquareAttack`, ..."""
    eps: Positive | None = None
    """Verified budget, in units of [0, 1] pixels; needed where ART's class takes an `eps`, and only there."""
    norm: Norm = "Linf"
    """In which norm `eps` is meant."""
    settings: Mapping[str, bool | int | float | str | None] = field(default_factory=dict)
    """Further arguments of the class by name, such as `{max_iter: 20, eps_step: 2/255}`; ART's defaults otherwise."""

    def problems(self) -> Iterable[Problem]:
        """No ART, no such attack, settings it does not have, or an `eps` too many or too few."""
        try:
            takes = inspect.signature(self._cls()).parameters
        except (InputError, PluginError) as error:
            yield Problem(("attack",), str(error))
            return
        for name in self.settings:
            if name not in takes or name in ("eps", "norm", "estimator", "classifier"):
                text = f"art's {self.attack} takes no {name!r} here.{did_you_mean(name, list(takes))}"
                yield Problem(("settings", name), text, on_key=True)
        if ("eps" in takes) != (self.eps is not None):
            text = f"art's {self.attack} {'needs an' if 'eps' in takes else 'takes no'} eps."
            yield Problem(("eps",) if self.eps is not None else (), text)
        if self.norm != "Linf" and "norm" not in takes:
            yield Problem(("norm",), f"art's {self.attack} has no choice of norms.")

    def _cls(self) -> Any:
        evasion, known = _library("art.attacks.evasion"), _library("art.attacks").EvasionAttack
        cls = getattr(evasion, self.attack, None)
        if not (isinstance(cls, type) and issubclass(cls, known)):
            names = [name for name, value in vars(evasion).items() if isinstance(value, type)]
            raise InputError(f"art has no evasion attack {self.attack!r}.{did_you_mean(self.attack, names)}")
        return cls

    @property
    def budget(self) -> Budget | None:
        """At most `eps` in `norm`; None for attacks without an eps."""
        return None if self.eps is None else Budget(self.norm, self.eps)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return what ART makes of the images; it computes in float32 and by way of numpy.

        Raises:
            AttackError: ART failed; names the attack, and the cause.
        """
        cls = self._cls()
        ours = {"eps": self.eps, "norm": _ORDERS[self.norm], "verbose": False, "batch_size": len(images)}
        takes = inspect.signature(cls).parameters
        arguments = {**{name: value for name, value in ours.items() if name in takes}, **self.settings}
        try:
            attack = cls(self._classifier(model, images), **arguments)
            found = attack.generate(x=images.cpu().float().numpy(), y=labels.cpu().numpy())
        except Exception as error:  # a library's attack may fail in whatever way
            raise AttackError(f"art's {self.attack} failed: {type(error).__name__}: {error}") from error
        return torch.from_numpy(found).to(images)

    def _classifier(self, model: nn.Module, images: Tensor) -> Any:
        with torch.no_grad():
            classes = model(images[:1]).shape[1]
        return _library("art.estimators.classification").PyTorchClassifier(
            model=model,
            loss=nn.CrossEntropyLoss(),
            input_shape=tuple(images.shape[1:]),
            nb_classes=classes,
            clip_values=(0.0, 1.0),
            device_type="gpu" if images.is_cuda else "cpu",
        )


def _library(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        text = "attack 'art' needs ART: pip install 'adversarial-robustness-toolbox>=1.18'"
        raise PluginError(f"{text} ({error}).") from error


@hookimpl
def register_attacks() -> list[type[Attack]]:
    """The adapter; ART itself is imported when one is configured."""
    return [ART]
