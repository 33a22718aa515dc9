"""timm's optimizers."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn

from robustkit import Optimizer
from robustkit.components.fields import Decay, NonNegative
from robustkit.errors import InputError, Problem, did_you_mean, known
from robustkit_timm.options import Option, arguments, reserved

_LOOKAHEAD = "lookahead_"


@dataclass(frozen=True)
class TimmOptimizer(Optimizer):
    """Any of timm's optimizers by its name, such as `lamb`, `lion`, `adabelief` or `muon`.

    All parameters are one group with the same weight decay. `fused...` and `bnb...` need CUDA and NVIDIA's apex or
    bitsandbytes.
    """

    name = "timm"

    opt: str
    """A name from `timm.optim.list_optimizers()`; `lookahead_` in front of it adds Lookahead."""
    weight_decay: NonNegative = 0.0
    """Weight decay, as the optimizer defines it (decoupled in `adamw`, part of the gradient in `sgd`)."""
    momentum: Decay | None = None
    """Momentum of those that have it; by default timm's, 0.9. In timm `sgd` is Nesterov's, `momentum` is without."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """Further arguments of the optimizer by timm's names, such as `betas: [0.9, 0.99]` or `eps: 1e-6`."""

    def problems(self) -> Iterable[Problem]:
        """The name and the options must be timm's, and the optimizer one that robustkit's training can drive."""
        from timm.optim import get_optimizer_info, list_optimizers

        base = self.opt.removeprefix(_LOOKAHEAD)
        names = list_optimizers()
        if base not in names:
            yield Problem(
                ("opt",), f"timm has no optimizer {self.opt!r}.{did_you_mean(base, names)} {known(names, 200)}"
            )
            return
        info = get_optimizer_info(base)
        if info.second_order:
            yield Problem(("opt",), f"{self.opt!r} needs second derivatives, which training does not compute.")
        if base.startswith("kron"):
            text = f"{self.opt!r} keeps lists and random numbers of its own, which a checkpoint does not hold."
            yield Problem(("opt",), text)
        if self.momentum is not None and not info.has_momentum:
            yield Problem(("momentum",), f"timm's {base!r} takes no momentum.", on_key=True)
        yield from self._option_problems(info)

    def _option_problems(self, info: Any) -> Iterable[Problem]:
        from timm.optim import create_optimizer_v2

        factory = set(inspect.signature(create_optimizer_v2).parameters) - {"foreach"}
        homes = dict.fromkeys([*factory, "params"], "timm uses it only where it is given a whole network")
        homes |= dict.fromkeys(["lr", "weight_decay", "momentum", "opt"], "it is a key of its own beside `options`")
        yield from reserved(self.options, homes)
        if isinstance(info.opt_class, str):  # of apex or bitsandbytes: not imported for a mere check
            return
        taken = set(inspect.signature(info.opt_class).parameters) - set(homes)
        for name in self.options:
            if name not in taken and name not in homes:
                text = f"timm's {info.name!r} takes no option {name!r}.{did_you_mean(name, taken)} {known(taken)}"
                yield Problem(("options", name), text, on_key=True)

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        """The optimizer.

        Raises:
            InputError: it lacks a library or CUDA, or refuses an option's value.
        """
        from timm.optim import create_optimizer_v2

        given: dict[str, Any] = {"lr": lr, "weight_decay": self.weight_decay, **arguments(self.options)}
        if self.momentum is not None:
            given["momentum"] = self.momentum
        try:
            return cast(torch.optim.Optimizer, create_optimizer_v2(list(parameters), self.opt, **given))
        except (TypeError, ValueError, ImportError, AssertionError) as error:
            raise InputError(f"timm's optimizer {self.opt!r} cannot be built: {error}.") from error
