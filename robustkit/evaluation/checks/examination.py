"""One network on one set of examples, and what several checks need of it, measured once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from robustkit.attacking.door import perturb
from robustkit.components.attack import Attack, Budget
from robustkit.components.examples import Examples
from robustkit.components.randomness import derive
from robustkit.errors import InputError
from robustkit.evaluation.checks.record import TrainingRecord
from robustkit.plugin.registry import Registry
from robustkit.recipe.builder import make

STEPS = 40
"""Of the reference attacks; broken examples leave them early."""
WITNESSES = 32
"""Examples on which dear things are tried, such as images one at a time."""
LISTED = 16
"""Examples on which the listed attacks themselves are tried: one of them may be AutoAttack."""
Value = TypeVar("Value")


class Examination:
    """What checks look at. The network is in eval mode meanwhile.

    Args:
        model: maps images (N, C, H, W) in [0, 1] to logits (N, K).
        examples: what it is examined on; all of them are loaded.
        budget: of the attacks that are tried.
        attacks: those that it was or is to be evaluated by, by name.
        others: further networks for the same images, to craft transfer attacks on.
        record: of its training.
        seed: of everything random.
        batch_size: examples at a time.
        registry: where attacks are looked up; None for the installed plugins.

    Raises:
        InputError: the model does not map these images to logits (N, K).
    """

    def __init__(
        self,
        model: nn.Module,
        examples: Examples,
        budget: Budget,
        *,
        attacks: Mapping[str, Attack],
        others: Mapping[str, nn.Module],
        record: TrainingRecord | None,
        seed: int,
        batch_size: int,
        registry: Registry | None,
    ) -> None:
        like = next((part for part in model.parameters() if part.is_floating_point()), torch.zeros(()))
        images = examples.images(torch.arange(len(examples)).to(examples.labels.device))
        self.model, self.budget, self.classes = model, budget, examples.num_classes
        self.images, self.labels = images.to(like.device, like.dtype), examples.labels.to(like.device)
        self.attacks, self.others, self.record = attacks, others, record
        self.seed, self.batch_size, self.registry = seed, batch_size, registry
        self._known: dict[str, Any] = {}
        self.state_before = state_of(model)
        _check_logits(self.logits(self.images[:2]), len(self.images[:2]), self.classes)

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.labels)

    def once(self, name: str, measure: Callable[[], Value]) -> Value:
        """What `measure` gives, which is called for the first who asks by this name."""
        if name not in self._known:
            self._known[name] = measure()
        return cast(Value, self._known[name])

    def generator(self, *purpose: str) -> torch.Generator:
        """Random numbers (on the CPU) of their own for a purpose."""
        return torch.Generator().manual_seed(derive(self.seed, "doctor", *purpose))

    @torch.no_grad()
    def logits(self, images: Tensor, batch_size: int | None = None) -> Tensor:
        """The logits (N, K) of images (N, C, H, W)."""
        return torch.cat([self.model(batch) for batch in torch.split(images, batch_size or self.batch_size)])

    def right(self, images: Tensor, batch_size: int | None = None) -> Tensor:
        """(N,), bool: which of all the examples are classified right on these images."""
        return self.logits(images, batch_size).argmax(1) == self.labels

    @cached_property
    def clean(self) -> Tensor:
        """The logits (N, K) of the clean images."""
        return self.logits(self.images)

    @cached_property
    def natural(self) -> Tensor:
        """(N,), bool: right on the clean image."""
        return self.clean.argmax(1) == self.labels

    def attack(self, name: str, eps: float | None = None, **fields: Any) -> Attack:
        """An attack of the registry with the examined budget, or another radius of it.

        Raises:
            PluginError, ComponentError: there is no such attack, or it cannot have such a budget.
        """
        radius = self.budget.eps if eps is None else eps
        return cast(Attack, make("attack", name, self.registry, eps=radius, norm=self.budget.norm, **fields))

    def pgd(self, eps: float | None = None, **fields: Any) -> Attack:
        """The reference gradient attack: PGD, each example until it is broken."""
        return self.attack("pgd", eps, **{"steps": STEPS, "keep": "first", **fields})

    def perturbed(self, purpose: str, attack: Attack, among: Tensor, model: nn.Module | None = None) -> Tensor:
        """All images (N, ...), those `among` (N,), bool, attacked; on another model, where one is given."""
        images = self.images.clone()
        for places in torch.split(among.nonzero().flatten(), self.batch_size):
            images[places] = perturb(
                attack,
                model or self.model,
                self.images[places],
                self.labels[places],
                seed=derive(self.seed, "doctor", purpose),
                examples=places.cpu(),
            )
        return images

    def standing(self, purpose: str, attack: Attack, among: Tensor | None = None, starts: str | None = None) -> Tensor:
        """(N,), bool: which of those `among`, by default of those that are right, are right under the attack, too.

        `starts` names whose random starts it has; by default its own.
        """

        def measured() -> Tensor:
            chosen = self.natural if among is None else among
            return chosen & self.right(self.perturbed(starts or purpose, attack, chosen))

        return self.once(f"standing/{purpose}", measured)

    @property
    def single_step(self) -> Tensor:
        """(N,), bool: right under one gradient step of length eps from the image."""
        return self.standing("one step", self.pgd(steps=1, step_size=self.budget.eps, random_start=False))

    @cached_property
    def adversarial(self) -> Tensor:
        """Images (N, ...) of the reference attack; those that were wrong already are clean."""
        return self.perturbed("reference", self.pgd(), self.natural)

    @cached_property
    def reference(self) -> Tensor:
        """(N,), bool: right under the reference attack on cross-entropy."""
        return self.natural & self.right(self.adversarial)

    @property
    def longer(self) -> Tensor:
        """(N,), bool: right under the reference attack when it goes on for as many steps again."""
        further = self.pgd(steps=2 * STEPS, step_size=2.5 * self.budget.eps / STEPS)
        return self.standing("longer", further, self.reference, starts="reference")

    @property
    def restarted(self) -> Tensor:
        """(N,), bool: right under the reference attack and four more random starts."""
        return self.standing("restarts", self.pgd(restarts=4), self.reference)

    @cached_property
    def white_box(self) -> Tensor:
        """(N,), bool: right under all gradient attacks that were tried, on the margin too."""
        left = self.reference & self.restarted & self.longer & self.single_step
        return self.standing("margin", self.pgd(loss="margin", restarts=3), left)

    def uniform(self, purpose: str, radius: float) -> Tensor:
        """All images with uniform noise in +-radius on each pixel, in [0, 1]."""
        noise = torch.rand(self.images.shape, generator=self.generator(purpose), dtype=self.images.dtype)
        return (self.images + (2 * noise - 1).to(self.images.device) * radius).clamp(0.0, 1.0)

    @property
    def pixel_radius(self) -> float:
        """How far a pixel moves where all move alike and the budget is used up."""
        pixels = self.images[0].numel()
        root = {"Linf": 1.0, "L2": math.sqrt(pixels), "L1": float(pixels)}[self.budget.norm]
        return min(1.0, self.budget.eps / root)


def state_of(model: nn.Module) -> dict[str, str]:
    """A digest of every parameter and buffer by name."""
    named = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: digest(tensor) for name, tensor in named.items()}


def digest(tensor: Tensor) -> str:
    """Equal for tensors that are equal bit by bit."""
    plain = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.blake2b(plain.numpy().tobytes(), digest_size=16).hexdigest()


def _check_logits(logits: object, images: int, classes: int) -> None:
    fits = isinstance(logits, Tensor) and logits.ndim == 2 and len(logits) == images
    if not (fits and isinstance(logits, Tensor) and logits.shape[1] >= classes):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"expected logits ({images}, {classes}) from the model, got {shape}.")
