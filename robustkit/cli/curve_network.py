"""The networks that `robustkit curves` draws, each with a label and the test examples it is measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robustkit.cli.subject import Subject, open_subject
from robustkit.components.examples import Examples
from robustkit.engine.arithmetic import place
from robustkit.engine.device import choose_device
from robustkit.plugin.registry import Registry
from robustkit.recipe.schema import Recipe


@dataclass(frozen=True)
class Source:
    """What one RUN-OR-WEIGHTS names, and how many test examples of its data are used."""

    subject: Subject
    count: int | None

    @cached_property
    def examples(self) -> Examples:
        """The test examples, loaded once, on the recipe's device."""
        recipe = self.subject.recipe
        test = recipe.dataset.load("test")
        limit = self.count or recipe.evaluation.test_examples or len(test)
        return test.subset(torch.arange(min(limit, len(test)))).to(choose_device(recipe.device))


@dataclass(frozen=True)
class Network:
    """One line of a plot."""

    label: str
    name: str
    source: Source

    @property
    def recipe(self) -> Recipe:
        """The recipe that says how it is measured."""
        return self.source.subject.recipe

    @property
    def file(self) -> Path:
        """Its weights."""
        return self.source.subject.files[self.name]

    @property
    def examples(self) -> Examples:
        """What it is measured on."""
        return self.source.examples

    def model(self, warn: Callable[[str], None]) -> nn.Module:
        """The network itself, on its device; `warn` is told what is odd about measuring it on these examples."""
        model, oddities = self.source.subject.network(self.name, self.examples)
        for text in oddities:
            warn(text)
        place(model, self.recipe.compute, choose_device(self.recipe.device))
        return model


def open_networks(sources: Sequence[Path], registry: Registry, options: Mapping[str, Any]) -> list[Network]:
    """The networks of all sources: by their names for a single source, else by the sources' names.

    Raises:
        RobustkitError: as `open_subject`.
    """
    words = [f"device={options['device']}"] if options["device"] else []
    settings: dict[str, Any] = {"data": options["data"], "network": options["network"], "registry": registry}
    networks = []
    for path in sources:
        subject = open_subject(path, words, **settings)
        source = Source(subject, options["examples"])
        called = path.stem if path.is_file() else path.resolve().name
        for name in subject.names:
            label = name if len(sources) == 1 else called if len(subject.names) == 1 else f"{called} {name}"
            networks.append(Network(label, name, source))
    if len({network.label for network in networks}) < len(networks):
        return [replace(network, label=str(network.file)) for network in networks]
    return networks
