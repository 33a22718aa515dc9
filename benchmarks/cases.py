"""The networks and batches that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from robustkit import Attack, make


@dataclass(frozen=True)
class Case:
    """A network, what it is trained on, and the attack it is trained with."""

    name: str
    architecture: str
    shape: tuple[int, int, int]
    batch: int
    eps: float
    step_size: float
    steps: int = 10
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the architecture."""
    classes: int = 10

    @property
    def large(self) -> bool:
        """Whether a step takes seconds on a CPU."""
        return self.architecture != "small-cnn"

    def network(self, seed: int = 1) -> nn.Module:
        """A fresh network."""
        torch.manual_seed(seed)
        built: nn.Module = make("architecture", self.architecture, **self.options).build(self.classes, self.shape)
        return built

    def examples(self, count: int | None = None, seed: int = 1) -> tuple[Tensor, Tensor]:
        """Random images (N, C, H, W) in [0, 1] and labels (N,); by default one batch."""
        generator = torch.Generator().manual_seed(seed)
        count = self.batch if count is None else count
        images = torch.rand(count, *self.shape, generator=generator)
        return images, torch.randint(self.classes, (count,), generator=generator)

    def attack(self, **more: Any) -> dict[str, Any]:
        """The training attack as a recipe has it: PGD that returns its last step, as training does."""
        own = {"use": "pgd", "eps": self.eps, "step_size": self.step_size, "steps": self.steps, "keep": "last"}
        return {**own, **more}

    def pgd(self, **more: Any) -> Attack:
        """The same, built."""
        fields = {name: value for name, value in self.attack(**more).items() if name != "use"}
        return cast(Attack, make("attack", "pgd", **fields))

    def in_words(self) -> str:
        """`resnet18 on 3x32x32, batch 128, PGD-10`."""
        size = "x".join(map(str, self.shape))
        options = "".join(f", {name} {value}" for name, value in self.options.items())
        return f"{self.architecture}{options} on {size} images, batch {self.batch}, PGD-{self.steps}"


CASES = {
    case.name: case
    for case in (
        Case("resnet18", "resnet18", (3, 32, 32), 128, 8 / 255, 2 / 255),
        Case("small-cnn", "small-cnn", (1, 28, 28), 128, 0.1, 0.025, options={"width": 32}),
        Case("digits", "small-cnn", (1, 8, 8), 64, 0.3, 0.1, steps=7, options={"width": 16}),
        Case("wrn-32-10", "wideresnet", (3, 32, 32), 128, 8 / 255, 2 / 255, options={"depth": 32, "width": 10}),
    )
}


def chosen(names: tuple[str, ...], *, quick: bool) -> list[Case]:
    """The cases of these names; in a quick run a tiny network stands for each."""
    cases = [CASES[name] for name in names]
    return [shrunk(case) for case in cases] if quick else cases


def shrunk(case: Case) -> Case:
    """A case that takes milliseconds, to see that a program works."""
    tiny = {"shape": (case.shape[0], 8, 8), "batch": 8, "steps": 2}
    return replace(case, architecture="small-cnn", options={"width": 4}, **tiny)
