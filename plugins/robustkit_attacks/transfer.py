"""Attacks that are crafted on another model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from robustkit import Attack, Budget, example_streams, perturb
from robustkit.errors import AttackError


@dataclass(frozen=True)
class Transfer(Attack):
    """A transfer attack: made for another model, and tried on this one.

    Papernot, McDaniel, Goodfellow: Transferability in Machine Learning: from Phenomena to Black-Box Attacks using
    Adversarial Samples, 2016 (arXiv 1605.07277). It asks nothing of the model it is tried on, so it should be weaker
    than any attack that does; where it is not, that model misleads attacks. Crafted by the rules of every attack:
    on the other model in eval mode, frozen, and verified.
    """

    name = "transfer"

    attack: Attack
    """What is run against the other model."""
    model: str
    """The other model: a weights file, or a run's folder, whose global learner it then is. Loaded when it is first
    needed, once a process; it must take the same images and know the same classes."""

    @property
    def budget(self) -> Budget | None:
        """The attack's."""
        return self.attack.budget

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The attack's."""
        return self.attack.budgets

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Return the images that the attack makes of these on the other model.

        Raises:
            WeightsError: there is no such model, or it is damaged.
            AttackError: the other model takes other images, or knows fewer classes.
        """
        other = _loaded(self.model, images.device)
        given = images.to(next(other.parameters(), images).dtype)
        self._check(other, given, labels)
        names = example_streams(images).integers(2**53).cpu()
        crafted = perturb(self.attack, other, given, labels, seed=0, examples=names)
        return (images + (crafted - given).to(images.dtype)).clamp(0.0, 1.0)

    @torch.no_grad()
    def _check(self, other: nn.Module, images: Tensor, labels: Tensor) -> None:
        shape = tuple(images.shape[1:])
        try:
            classes = other(images[:1]).shape[1]
        except (RuntimeError, ValueError) as error:
            raise AttackError(f"transfer: {self.model} cannot take images of shape {shape}: {error}") from error
        if classes <= int(labels.max()):
            raise AttackError(
                f"transfer: {self.model} knows {classes} classes, the labels go up to {int(labels.max())}: "
                "craft on a model for the same classes."
            )


def _loaded(model: str, device: torch.device) -> nn.Module:
    from robustkit import load_run

    path = Path(model)
    file = load_run(path).folder.weights("global") if path.is_dir() else path
    return _load(path, file.stat().st_mtime_ns if file.is_file() else 0, device)


@lru_cache(maxsize=4)
def _load(path: Path, written: int, device: torch.device) -> nn.Module:
    """The model, kept until its file is `written` anew."""
    from robustkit import load_model, load_run

    return load_run(path).model(device=device) if path.is_dir() else load_model(path, device=device)
